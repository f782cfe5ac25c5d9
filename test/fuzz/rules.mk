# SPDX-License-Identifier: MIT
# Building and running the fuzz targets (test/fuzz/README.md). Included by the Makefile.

FUZZ_CXX := clang++
FUZZ_SECONDS := 60
fuzz_targets := $(filter-out entry %_promises,$(basename $(notdir $(wildcard test/fuzz/*.cpp))))
fuzz_flags := $(common_flags) -I. -Itest -O1 -Wall -Wextra -D_GLIBCXX_ASSERTIONS -DTABULA_HOSTED=1 \
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
fuzz_sources := $(filter-out test/fuzz/entry.cpp,$(wildcard test/fuzz/*.cpp)) \
    $(filter-out src/lib/freestanding.cpp,$(lib_sources))
fuzz_objects := $(fuzz_sources:%=$(build)/fuzz/objects/%.o)
fuzz_run := tools/run_fuzz.py --build $(build)/fuzz $(if $(TARGET),$(TARGET),$(fuzz_targets))

.PHONY: fuzz fuzz-merge
fuzz: $(fuzz_targets:%=$(build)/fuzz/%) ## the parsers under libFuzzer (FUZZ_SECONDS=60 each, TARGET=one of them)
	@$(fuzz_run) --seconds $(FUZZ_SECONDS)

fuzz-merge: $(fuzz_targets:%=$(build)/fuzz/%) ## what `fuzz` found, minimised into test/fuzz/corpus (TARGET=)
	@$(fuzz_run) --merge

$(build)/fuzz/objects/%.cpp.o: %.cpp | deps
	@mkdir -p $(@D)
	@echo "  fuzz     $<"
	@$(FUZZ_CXX) $(fuzz_flags) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@

# The entry is compiled for each target: it names the one to call.
$(fuzz_targets:%=$(build)/fuzz/%): $(build)/fuzz/%: test/fuzz/entry.cpp test/fuzz/fuzz.hpp $(fuzz_objects)
	@echo "  link     $@"
	@$(FUZZ_CXX) $(fuzz_flags) -fsanitize=fuzzer -DFUZZ_TARGET=$* -o $@ $< $(fuzz_objects)

-include $(fuzz_objects:.o=.d)
