# SPDX-License-Identifier: MIT
# Builds, runs and tests Tabula. `make help` lists the targets.
#
# Sources are found by wildcard: a new file under src, user or test needs no change here.

version := 0.1.0
CXX := g++
build := build
# What the image is dated with, so that the same commit gives the same bytes on any day.
export SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 1700000000)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL),0)
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif
endif

# ---- flags ---------------------------------------------------------------------------------------

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast \
    -Wmissing-declarations -Wnull-dereference -Wcast-align -Wcast-qual -Wformat=2 -Wimplicit-fallthrough \
    -Wnon-virtual-dtor -Woverloaded-virtual -Wundef -Wunused -Wvla -Wduplicated-cond -Wlogical-op -Werror

common_flags := -std=c++20 -g -Isrc -ffile-prefix-map=$(CURDIR)=. -fdiagnostics-color=auto

freestanding_flags := $(common_flags) -ffreestanding -O2 -fno-exceptions -fno-rtti \
    -fno-threadsafe-statics -fno-strict-aliasing -fno-delete-null-pointer-checks \
    -fno-omit-frame-pointer -fcf-protection=none -ftrivial-auto-var-init=zero \
    -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections \
    -fno-tree-loop-distribute-patterns -D_GLIBCXX_ASSERTIONS

kernel_flags := $(freestanding_flags) -mno-red-zone -mgeneral-regs-only -mcmodel=kernel -fno-pic -fno-pie \
    -fstack-protector-strong -mstack-protector-guard=global -DTABULA_KERNEL=1 \
    -DTABULA_VERSION='"$(version)"'
kernel_warnings := $(warnings) -Wframe-larger-than=1024
# The debug kernel checks lock ranks, undefined behaviour (which traps: it needs no library) and, when a
# process ends and when memory_info is called, the map against its entries.
kernel_debug_flags := -DTABULA_DEBUG=1 -fsanitize=undefined -fsanitize-undefined-trap-on-error \
    -Wframe-larger-than=2048
kernel_link_flags := -nostdlib -static -no-pie -Wl,--gc-sections -Wl,--orphan-handling=error \
    -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--build-id=none -Wl,--no-warn-rwx-segments -T linker.ld

user_flags := $(freestanding_flags) -I. -fpie -msse2 -fstack-protector-strong -mstack-protector-guard=global \
    -DTABULA_USER=1
user_warnings := $(warnings)
# Programs are position-independent, and relocate themselves; those named here have fixed addresses.
fixed_address_programs := false
user_link_flags := -nostdlib -Wl,--gc-sections -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
    -Wl,-z,norelro -Wl,-z,separate-code -Wl,--build-id=none -Wl,-e,_start
program_link_flags = $(if $(filter $1,$(fixed_address_programs)),-static -no-pie,-static-pie)

# doctest's quick assertions are functions instead of code at each place: a third less to compile.
hosted_flags := $(common_flags) -I. -Itest -O1 -pthread -D_GLIBCXX_ASSERTIONS -DTABULA_HOSTED=1 \
    -DDOCTEST_CONFIG_SUPER_FAST_ASSERTS
# Places and functions are all that reports tell: no more is asked of the compiler.
sanitizer_flags := -g1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
coverage_flags := --coverage
# The fences that it does not understand only order what is atomic.
tsan_flags := -fsanitize=thread -Wno-tsan -fno-omit-frame-pointer

# ---- sources -------------------------------------------------------------------------------------

find_sources = $(sort $(shell find $1 -name '*.cpp' 2>/dev/null))
find_assembly = $(sort $(shell find $1 -name '*.S' 2>/dev/null))

kernel_directories := src/lib src/abi src/vm src/proc src/arch
kernel_sources := $(call find_sources,$(kernel_directories)) $(call find_assembly,$(kernel_directories))
kernel_variants := kernel kernel-debug
kernel_variant_objects = $(kernel_sources:%=$(build)/$1/%.o)
kernel_objects := $(call kernel_variant_objects,kernel)

lib_sources := $(call find_sources,src/lib)
user_lib_sources := $(lib_sources) $(call find_sources,user/lib) $(call find_assembly,user/lib)
user_lib_objects := $(user_lib_sources:%=$(build)/user/obj/%.o)
programs := $(sort $(patsubst user/%/,%,$(filter-out user/lib/ user/files/,$(wildcard user/*/))))
program_objects = $(patsubst %,$(build)/user/obj/%.o,$(call find_sources,user/$1))
user_objects := $(user_lib_objects) $(foreach program,$(programs),$(call program_objects,$(program)))
archive_files := $(sort $(shell find user/files -type f 2>/dev/null))

hosted_sources := test/hosted/main.cpp $(sort $(wildcard test/hosted/*_test.cpp test/parallel/*_test.cpp)) \
    $(call find_sources,test/explorer) \
    $(filter-out test/fuzz/entry.cpp,$(sort $(wildcard test/fuzz/*.cpp))) \
    $(call find_sources,test/shim) $(filter-out src/lib/freestanding.cpp,$(lib_sources)) \
    $(filter-out test/replay/main.cpp,$(call find_sources,test/replay)) \
    $(filter-out test/compare/bench/%,$(call find_sources,test/compare)) \
    $(call find_sources,src/vm src/proc)
tsan_lib := elf.cpp elf_plan.cpp format.cpp ustar.cpp
# ThreadSanitizer watches the suites that have threads, and what they use.
tsan_sources := test/hosted/main.cpp $(sort $(wildcard test/parallel/*_test.cpp)) \
    $(filter-out test/shim/usb_% test/shim/xhci_% test/shim/map_model.cpp,$(call find_sources,test/shim)) \
    $(call find_sources,src/vm src/proc) $(addprefix src/lib/,$(tsan_lib))
hosted_variants := plain sanitized coverage tsan
variant_sources = $(or $($1_sources),$(hosted_sources))
hosted_objects = $(patsubst %,$(build)/hosted/$1/%.o,$(call variant_sources,$1))

headers := $(sort $(shell find src user test -name '*.hpp' 2>/dev/null))

# ---- targets -------------------------------------------------------------------------------------

.PHONY: all kernel-debug deps iso run usb gdb examples test model test-hosted test-guest test-long coverage bench \
    bench-hosted bench-peers bench-check replay profile lint check-reproducible format help clean

all: $(build)/kernel/tabula.elf $(build)/boot.tar ## the kernel, the user programs, the boot archive

kernel-debug: $(build)/kernel-debug/tabula.elf ## the kernel that checks itself: build/kernel-debug/tabula.elf

deps: ## the Debian packages of tools/packages.txt, installed where missing
	@tools/install_packages.sh

iso: $(build)/tabula.iso ## the bootable image, for BIOS and UEFI, CD and stick

run: $(build)/tabula.iso ## the image in QEMU, console in the terminal (ARGS= more QEMU words)
	@tools/run_qemu.sh $(build)/tabula.iso $(ARGS)

check-reproducible: $(build)/tabula.iso ## builds the image again in another directory, at another time: the same bytes
	+@tools/check_reproducible.sh

usb: $(build)/tabula.iso ## writes the image to a USB stick: DEV=/dev/NAME
	@tools/write_usb.py $(build)/tabula.iso '$(DEV)'

gdb: all ## the kernel in QEMU, stopped at its entry, with gdb attached (ARGS= kernel command line)
	@tools/run_gdb.sh $(build)/kernel/tabula.elf $(build)/boot.tar $(ARGS)

examples: $(build)/examples/lift ## src/vm alone, on a port of fifty lines
	@$<

results := $(build)/test/results
test: | deps ## test-hosted, model and test-guest, and the total
	@rm -rf $(results)
	@status=0; $(MAKE) --no-print-directory test-hosted || status=1; \
	    $(MAKE) --no-print-directory model || status=1; \
	    $(MAKE) --no-print-directory test-guest || status=1; \
	    tools/total.py $(results) hosted hosted-sanitized hosted-tsan tools model guest || status=1; exit $$status

test-hosted: $(foreach variant,plain sanitized tsan,$(build)/hosted/$(variant)/tests) $(build)/examples/lift $(build)/replay ## the unit tests, plain and under ASan, UBSan and TSan, and those of the tools
	@status=0; tools/run_hosted.py $(results) hosted-sanitized=$(build)/hosted/sanitized/tests \
	    hosted=$(build)/hosted/plain/tests hosted-tsan=$(build)/hosted/tsan/tests || status=1; \
	    test/tools/run.py $(results) || status=1; exit $$status

model: | deps ## the map's locking protocol, searched in all interleavings; and broken, rule by rule
	@test/model/run.py --results $(results)

test-guest: all kernel-debug $(build)/tabula.iso $(build)/bench/boot.tar ## the kernel and the image in QEMU
	@test/guest/run.py --results $(results)/guest.tsv

test-long: all kernel-debug $(build)/tabula.iso $(build)/bench/boot.tar $(build)/hosted/plain/tests $(build)/hosted/sanitized/tests $(build)/hosted/tsan/tests ## what takes longer than `test` may
	@TABULA_LONG=1 tools/run_hosted.py $(results) long-sanitized=$(build)/hosted/sanitized/tests \
	    long-tsan=$(build)/hosted/tsan/tests \
	    'long-explorer=$(build)/hosted/plain/tests -tc=explorer*'
	@test/guest/run.py --long --results $(results)/long-guest.tsv
	@tools/total.py $(results) long-sanitized long-tsan long-explorer long-guest

coverage_minimum := 85
coverage: $(build)/hosted/coverage/tests ## lines of src/vm and src/proc that the unit tests run (at least 85 %)
	@tools/run_coverage.sh $(build)/hosted/coverage $(coverage_minimum)

bench: all $(build)/bench/boot.tar ## the guest benchmark: build/bench/guest.tsv
	@tools/run_bench.py $(build)/kernel/tabula.elf $(build)/bench/boot.tar $(build)/bench/guest.tsv

bench-hosted: $(build)/bench/hosted $(build)/compare/compare $(build)/plugins/count.so ## other structures beside the map, and its lines, locks, writes and flushes: build/bench/hosted.tsv and plots
	@$(build)/bench/hosted > $(build)/bench/hosted.tsv.new
	@tools/run_compare.py $(build)/compare/compare $(build)/plugins/count.so qemu-x86_64 \
	    >> $(build)/bench/hosted.tsv.new
	@mv $(build)/bench/hosted.tsv.new $(build)/bench/hosted.tsv
	@expand -t 44 $(build)/bench/hosted.tsv
	@tools/plot_bench.py $(build)/bench/hosted.tsv $(build)/bench

bench-peers: bench $(build)/peers/linux/kernel $(build)/peers/linux/initramfs ## Linux, got as a Debian package, at the guest benchmark's work: build/bench/linux.tsv, and both side by side
	@tools/run_peer.py $(build)/peers/linux/kernel $(build)/peers/linux/initramfs $(build)/bench/linux.tsv
	@tools/compare_peers.py bench/targets.tsv $(build)/bench/guest.tsv $(build)/bench/linux.tsv

replay: $(build)/replay ## a trace on the hosted map: FILE=/any/path.map (PICTURE=out.svg); test/workloads has some
	@$< '$(FILE)' $(if $(PICTURE),--picture '$(PICTURE)')

bench-check: bench bench-hosted ## the figures against bench/*baseline.tsv: none more than 2 % up
	@status=0; tools/check_bench.py bench/baseline.tsv $(build)/bench/guest.tsv || status=1; \
	    tools/check_bench.py bench/hosted-baseline.tsv $(build)/bench/hosted.tsv || status=1; exit $$status

$(build)/plugins/%.so: tools/%_plugin.cpp tools/qemu_plugin.hpp | deps
	@mkdir -p $(@D)
	@echo "  plugin   $<"
	@$(CXX) -std=c++20 -O2 -shared -fPIC $(warnings) -o $@ $<

profile: all $(build)/bench/boot.tar $(build)/plugins/profile.so ## instructions of a bench row by function: ROW=mmap_munmap_4K (BY=inlined, BY=line)
	@tools/profile_rows.py $(build)/plugins/profile.so $(build)/kernel/tabula.elf $(build)/bench/boot.tar \
	    $(build)/user '$(ROW)' $(BY)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

clean: ## removes build/
	rm -rf $(build)

$(filter-out deps help clean,$(MAKECMDGOALS)): | deps

# Objects depend on the flags they were compiled with, not on this whole file.
flags_kernel := $(kernel_flags) $(kernel_warnings)
flags_kernel-debug := $(flags_kernel) $(kernel_debug_flags)
flags_user := $(user_flags) $(user_warnings)
flags_plain := $(hosted_flags) $(warnings)
flags_sanitized := $(flags_plain) $(sanitizer_flags)
flags_coverage := $(flags_plain) $(coverage_flags)
flags_tsan := $(flags_plain) $(tsan_flags)
$(addprefix $(build)/flags.,user example compare peer $(kernel_variants) $(hosted_variants)): $(build)/flags.%: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','"'"',$(flags_$*) $(call test_optimisation,$*))' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
.PHONY: FORCE
FORCE:

# ---- kernel --------------------------------------------------------------------------------------

variant_flags_kernel :=
variant_flags_kernel-debug := $(kernel_debug_flags)

# The console's font, in the public domain.
console_font := /usr/share/consolefonts/Uni2-Fixed16.psf.gz
$(build)/font.psf: | deps
	@mkdir -p $(@D)
	@gzip -dc $(console_font) > $@
$(kernel_variants:%=$(build)/%/src/arch/font.S.o): kernel_flags += -Wa,-I$(build)
$(kernel_variants:%=$(build)/%/src/arch/font.S.o): $(build)/font.psf

# Function names: link with an empty table, make the table from the result, link again. The table
# stands behind the code, so no function moves; make_symbols.py --check makes sure of it.
define kernel_rules
$(build)/$1/%.cpp.o: %.cpp $(build)/flags.$1 | deps
	@mkdir -p $$(@D)
	@echo "  $1   $$<"
	@$(CXX) $$(kernel_flags) $(kernel_warnings) $(variant_flags_$1) -MMD -MP -c $$< -o $$@

$(build)/$1/%.S.o: %.S $(build)/flags.$1 | deps
	@mkdir -p $$(@D)
	@echo "  $1   $$<"
	@$(CXX) $$(kernel_flags) -Wa,--fatal-warnings -MMD -MP -c $$< -o $$@

$(build)/$1/no_symbols.S: tools/make_symbols.py
	@mkdir -p $$(@D)
	@tools/make_symbols.py --empty > $$@

$(build)/$1/first.elf: $(call kernel_variant_objects,$1) $(build)/$1/no_symbols.S.o linker.ld
	@echo "  link     $$@"
	@$(CXX) $(kernel_link_flags) -o $$@ $$(filter %.o,$$^)

$(build)/$1/symbols.S: $(build)/$1/first.elf tools/make_symbols.py
	@tools/make_symbols.py $$< > $$@

$(build)/$1/%.S.o: $(build)/$1/%.S
	@$(CXX) $$(kernel_flags) -c $$< -o $$@

$(build)/$1/tabula.elf: $(call kernel_variant_objects,$1) $(build)/$1/symbols.S.o linker.ld
	@echo "  link     $$@"
	@$(CXX) $(kernel_link_flags) -Wl,-Map=$(build)/$1/tabula.map -o $$@ $$(filter %.o,$$^)
	@tools/make_symbols.py --check $(build)/$1/first.elf $$@
endef
$(foreach variant,$(kernel_variants),$(eval $(call kernel_rules,$(variant))))

# ---- user programs and the boot archive ----------------------------------------------------------

$(build)/user/obj/%.cpp.o: %.cpp $(build)/flags.user | deps
	@mkdir -p $(@D)
	@echo "  user     $<"
	@$(CXX) $(user_flags) $(user_warnings) -MMD -MP -c $< -o $@

$(build)/user/obj/%.S.o: %.S $(build)/flags.user | deps
	@mkdir -p $(@D)
	@echo "  user     $<"
	@$(CXX) $(user_flags) -Wa,--fatal-warnings -MMD -MP -c $< -o $@

define program_rule
$(build)/user/$1: $(call program_objects,$1) $(user_lib_objects)
	@echo "  link     $$@"
	@$(CXX) $(user_link_flags) $(call program_link_flags,$1) -o $$@ $$^
endef
$(foreach program,$(programs),$(eval $(call program_rule,$(program))))

# The file list stands in a file of its own, so that a removed file also leaves the archive.
$(build)/archive.list: FORCE | deps
	@mkdir -p $(@D)
	@echo "$(SOURCE_DATE_EPOCH) $(programs) $(archive_files)" > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(build)/boot.tar: $(programs:%=$(build)/user/%) $(archive_files) $(build)/archive.list \
    tools/make_archive.py
	@echo "  archive  $@"
	@rm -rf $(build)/archive && mkdir -p $(build)/archive/bin
	@$(if $(archive_files),cp -R user/files/. $(build)/archive/,:)
	@for program in $(programs); do \
	    strip -o $(build)/archive/bin/$$program $(build)/user/$$program; done
	@tools/make_archive.py $(build)/archive $(SOURCE_DATE_EPOCH) $@

# ---- recorded traces as tables of calls, in the benchmark's own boot archive ------------------------

traces := $(sort $(basename $(notdir $(wildcard test/workloads/*.map))))
trace_tables := $(traces:%=$(build)/traces/%.calls)
$(build)/traces/%.calls: test/workloads/%.map tools/compile_trace.py | deps
	@mkdir -p $(@D)
	@tools/compile_trace.py $< $@

$(build)/bench/boot.tar: $(build)/boot.tar $(trace_tables)
	@echo "  archive  $@"
	@rm -rf $(@D)/archive && mkdir -p $(@D)/archive/traces
	@cp -R $(build)/archive/. $(@D)/archive/
	@cp $(trace_tables) $(@D)/archive/traces/
	@tools/make_archive.py $(@D)/archive $(SOURCE_DATE_EPOCH) $@

# ---- Linux beside it -------------------------------------------------------------------------------

flags_peer := -std=c++20 -O2 -g -I. -static -pthread -fno-exceptions -fno-rtti $(warnings)
peer_objects := $(patsubst %,$(build)/peers/%.o,$(call find_sources,test/peers/linux))
$(build)/peers/%.cpp.o: %.cpp $(build)/flags.peer | deps
	@mkdir -p $(@D)
	@echo "  peer     $<"
	@$(CXX) $(flags_peer) -MMD -MP -c $< -o $@
$(build)/peers/linux/init: $(peer_objects)
	@mkdir -p $(@D)
	@echo "  link     $@"
	@$(CXX) $(flags_peer) -s -Wl,--build-id=none -o $@ $^
$(build)/peers/linux/tiny: test/peers/linux/tiny.S | deps
	@mkdir -p $(@D)
	@$(CXX) -nostdlib -static -s -Wl,--build-id=none -Wl,-z,noseparate-code -o $@ $<
$(build)/peers/linux/initramfs: $(build)/peers/linux/init $(build)/peers/linux/tiny $(trace_tables) \
    tools/make_initramfs.py
	@tools/make_initramfs.py $@ init=$(build)/peers/linux/init tiny=$(build)/peers/linux/tiny \
	    $(foreach trace,$(traces),traces/$(trace).calls=$(build)/traces/$(trace).calls)
# It is not among the packages that everything needs: whoever does not ask for it does not get it.
$(build)/peers/linux/kernel: test/peers/linux/package.txt | deps
	@mkdir -p $(@D)
	@tools/get_peer_kernel.sh $< $@

# ---- the image -----------------------------------------------------------------------------------

$(build)/tabula.iso: $(build)/kernel/tabula.elf $(build)/boot.tar iso/grub.cfg tools/make_iso.sh
	@echo "  iso      $@"
	@tools/make_iso.sh $@ $(build)/kernel/tabula.elf $(build)/boot.tar iso/grub.cfg

# ---- hosted tests --------------------------------------------------------------------------------

variant_flags_plain :=
variant_flags_sanitized := $(sanitizer_flags)
variant_flags_coverage := $(coverage_flags)
variant_flags_tsan := $(tsan_flags)

# Instrumented tests are not optimised: what they call is, which is where their time goes. That comes
# first when they are linked, so that its inline functions are taken and not the tests'.
instrumented := $(filter-out plain,$(hosted_variants))
test_optimisation = $(if $(filter $(instrumented),$1),-O0)
# The library's headers are read once for each of these variants, by either optimisation: the compiler
# takes what fits from the directory. The plain variant does without, so that each file says what it
# includes.
prelude_flags = $(if $(filter $(instrumented),$1),-include $(build)/hosted/$1/prelude.hpp)
define prelude_rules
$(build)/hosted/$1/prelude.hpp.gch/%: test/prelude.hpp $(build)/flags.$1 | deps
	@mkdir -p $$(@D)
	@echo "  $1 $$< ($$*)"
	@$(CXX) $(hosted_flags) $(variant_flags_$1) $$(if $$(filter tests,$$*),$(call test_optimisation,$1)) \
	    $(warnings) -include $$< -x c++-header /dev/null -o $$@
$(call hosted_objects,$1): | $(build)/hosted/$1/prelude.hpp.gch/tests $(build)/hosted/$1/prelude.hpp.gch/rest
endef
$(foreach variant,$(instrumented),$(eval $(call prelude_rules,$(variant))))

define hosted_rules
$(build)/hosted/$1/%.cpp.o: %.cpp $(build)/flags.$1 | deps
	@mkdir -p $$(@D)
	@echo "  $1 $$<"
	@$(CXX) $(hosted_flags) $(variant_flags_$1) $$(if $$(filter %_test.cpp,$$<),$(call test_optimisation,$1)) \
	    $(call prelude_flags,$1) $(warnings) -MMD -MP -c $$< -o $$@
$(build)/hosted/$1/tests: $(call hosted_objects,$1)
	@echo "  link     $$@"
	@$(CXX) $(hosted_flags) $(variant_flags_$1) -o $$@ $$(filter-out %_test.cpp.o,$$^) $$(filter %_test.cpp.o,$$^)
endef
$(foreach variant,$(hosted_variants),$(eval $(call hosted_rules,$(variant))))

# ---- what the hosted benchmark is made of: the plain variant without the test framework -----------

hosted_bench_sources := $(call find_sources,test/bench)
hosted_bench_objects := $(hosted_bench_sources:%=$(build)/hosted/plain/%.o) \
    $(filter-out %/test/shim/check.cpp.o %_test.cpp.o %/test/hosted/main.cpp.o $(build)/hosted/plain/test/fuzz/% \
    $(build)/hosted/plain/test/explorer/% $(build)/hosted/plain/test/replay/%, \
    $(call hosted_objects,plain))
$(build)/bench/hosted: $(hosted_bench_objects)
	@mkdir -p $(@D)
	@echo "  link     $@"
	@$(CXX) $(hosted_flags) -o $@ $^

# ---- the replay of traces: of the plain variant too -------------------------------------------------

$(build)/replay: $(build)/hosted/plain/test/replay/main.cpp.o \
    $(filter-out %_test.cpp.o %/test/hosted/main.cpp.o $(build)/hosted/plain/test/fuzz/% \
    $(build)/hosted/plain/test/explorer/%, $(call hosted_objects,plain))
	@echo "  link     $@"
	@$(CXX) $(hosted_flags) -o $@ $^

# ---- the comparison: src/vm and other structures, compiled as a kernel would be --------------------

compare_flags := $(common_flags) -I. -Itest -O2 -static -fno-strict-aliasing -fstack-protector-strong \
    -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS
flags_compare := $(compare_flags) $(warnings)
compare_objects := $(patsubst %,$(build)/compare/%.o,$(call find_sources,test/compare src/vm) \
    test/replay/trace.cpp)
$(build)/compare/%.cpp.o: %.cpp $(build)/flags.compare | deps
	@mkdir -p $(@D)
	@echo "  compare  $<"
	@$(CXX) $(flags_compare) -MMD -MP -c $< -o $@
$(build)/compare/compare: $(compare_objects)
	@echo "  link     $@"
	@$(CXX) $(compare_flags) -o $@ $^

# ---- examples: src/vm as another kernel would build it --------------------------------------------

example_flags := $(common_flags) -O1 -D_GLIBCXX_ASSERTIONS
flags_example := $(example_flags) $(warnings)
example_objects := $(patsubst %,$(build)/examples/%.o,$(call find_sources,examples/lift src/vm))
$(build)/examples/%.cpp.o: %.cpp $(build)/flags.example | deps
	@mkdir -p $(@D)
	@echo "  example  $<"
	@$(CXX) $(flags_example) -MMD -MP -c $< -o $@
$(build)/examples/lift: $(example_objects)
	@echo "  link     $@"
	@$(CXX) $(example_flags) -o $@ $^

# ---- fuzz targets --------------------------------------------------------------------------------

include test/fuzz/rules.mk

# ---- style ---------------------------------------------------------------------------------------

# The others are the first that a file of their name includes, which the compiler has seen then.
lone_headers := $(foreach header,$(headers),$(if $(wildcard $(header:.hpp=.cpp)),,$(header)))
header_checks := $(lone_headers:%=$(build)/lint/%.ok)

lint: $(header_checks) $(kernel_objects) $(user_objects) ## directions of includes, headers alone, format, first lines
	@tools/check_layers.py $(build)/kernel $(build)/user/obj
	@tools/check_style.py
	@sh tools/check_docs.sh

format: | deps ## puts every source file into shape
	@git ls-files -co --exclude-standard '*.cpp' '*.hpp' | xargs clang-format-19 -i

header_flags = $(if $(filter user/%,$1),$(user_flags),$(if $(filter test/%,$1),$(hosted_flags),$(kernel_flags)))
$(build)/lint/%.hpp.ok: %.hpp $(build)/flags.kernel $(build)/flags.user $(build)/flags.plain | deps
	@mkdir -p $(@D)
	@$(CXX) $(call header_flags,$<) -fsyntax-only -MMD -MP -MF $(@:.ok=.d) -MT $@ -x c++ \
	    -include $< /dev/null
	@touch $@

# ---- what depends on which header ----------------------------------------------------------------

-include $(patsubst %.o,%.d,$(user_objects))
-include $(foreach variant,$(kernel_variants),$(patsubst %.o,%.d,$(call kernel_variant_objects,$(variant))))
-include $(foreach variant,$(hosted_variants),$(patsubst %.o,%.d,$(call hosted_objects,$(variant))))
-include $(patsubst %.o,%.d,$(hosted_bench_objects)) $(build)/hosted/plain/test/replay/main.cpp.d
-include $(example_objects:.o=.d) $(compare_objects:.o=.d) $(peer_objects:.o=.d)
-include $(header_checks:.ok=.d)
