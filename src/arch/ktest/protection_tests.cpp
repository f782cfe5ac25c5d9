// SPDX-License-Identifier: MIT
// What the processor must refuse the kernel itself.
#include "arch/boot/image.hpp"
#include "arch/cpu_features.hpp"
#include "arch/ktest/ktest.hpp"
#include "arch/ktest/probe.hpp"
#include "arch/ktest/probe_code.hpp"
#include "arch/ktest/user_page.hpp"
#include "arch/layout.hpp"
#include "vm/frames.hpp"
#include "vm/heap.hpp"

namespace arch::ktest {
namespace {

constexpr std::uint64_t read_forbidden = page_fault_present;
constexpr std::uint64_t write_forbidden = page_fault_present | page_fault_write;
constexpr std::uint64_t execute_forbidden = page_fault_present | page_fault_fetch;
constexpr std::uint64_t nothing_there = 0;

constexpr std::uint8_t constant_return = 0xc3;

VirtAddr address_of(const volatile void* object) {
    return VirtAddr{reinterpret_cast<std::uint64_t>(object)};
}

VirtAddr return_instruction() { return address_of(probe_code_return); }

/// Where the direct map shows what the image has at `address`.
VirtAddr second_way_to(VirtAddr address) {
    return layout::direct_map + (address - layout::kernel_image);
}

KERNEL_TEST(probes_work, "probes tell what happened") {
    EXPECT(!probe_execute(return_instruction()).happened, "kernel code can't be executed");
    EXPECT(!probe_read(return_instruction()).happened, "kernel code can't be read");
    static constinit std::uint8_t variable = 0;
    EXPECT(!probe_write(address_of(&variable)).happened, "a variable can't be written");
    EXPECT(variable == 0xc3, "a write did not arrive");
    const Fault fault = probe_read(VirtAddr{0xdeadULL << 48});
    EXPECT(fault.happened && fault.vector == static_cast<std::uint64_t>(Vector::general_protection),
           "an address that is not canonical was read");
    return Verdict::passed();
}

KERNEL_TEST(smep, "SMEP: no user page is executed by the kernel") {
    if (!cpu_features().smep) return Verdict::skipped("no SMEP");
    UserPage page;
    EXPECT(page.create(vm::Access::read_execute()).ok(), "out of memory");
    EXPECT(probe_execute(UserPage::address).is_page_fault(execute_forbidden), "it was");
    return Verdict::passed();
}

KERNEL_TEST(smap, "SMAP: no user page is read by the kernel, but by the copy routines") {
    if (!cpu_features().smap) return Verdict::skipped("no SMAP");
    UserPage page;
    EXPECT(page.create(vm::Access::read_write()).ok(), "out of memory");
    EXPECT(probe_read(UserPage::address).is_page_fault(read_forbidden), "it was read");
    EXPECT(probe_write(UserPage::address).is_page_fault(write_forbidden), "it was written");
    EXPECT(!probe_read_as_copy(UserPage::address).happened, "a copy routine can't either");
    EXPECT(probe_read(UserPage::address).is_page_fault(read_forbidden), "AC stayed set");
    return Verdict::passed();
}

KERNEL_TEST(no_execute, "NX: data is not executed") {
    if (!cpu_features().nx) return Verdict::skipped("no NX");
    const auto memory = vm::heap_allocate(64);
    EXPECT(memory.ok(), "out of memory");
    *static_cast<volatile std::uint8_t*>(*memory) = 0xc3;
    const Fault heap = probe_execute(address_of(*memory));
    vm::heap_free(*memory, 64);
    EXPECT(heap.is_page_fault(execute_forbidden), "the heap was");

    static constinit volatile std::uint8_t variable = 0xc3;
    EXPECT(probe_execute(address_of(&variable)).is_page_fault(execute_forbidden), ".data was");
    EXPECT(probe_execute(address_of(&constant_return)).is_page_fault(execute_forbidden),
           ".rodata was");
    EXPECT(probe_execute(second_way_to(return_instruction())).is_page_fault(execute_forbidden),
           "the direct map was");
    volatile std::uint8_t local = 0xc3;
    EXPECT(probe_execute(address_of(&local)).is_page_fault(execute_forbidden), "the stack was");
    return Verdict::passed();
}

KERNEL_TEST(read_only_text, "the kernel's code is not written") {
    EXPECT(probe_write(return_instruction()).is_page_fault(write_forbidden), "it was");
    EXPECT(probe_write(second_way_to(return_instruction())).is_page_fault(write_forbidden),
           "it was, through the direct map");
    EXPECT(probe_write(image::text().start).is_page_fault(write_forbidden), "its start was");
    EXPECT(probe_write(image::text().end - 1).is_page_fault(write_forbidden), "its end was");
    return Verdict::passed();
}

KERNEL_TEST(read_only_constants, "the kernel's constants are not written") {
    EXPECT(probe_write(address_of(&constant_return)).is_page_fault(write_forbidden), "one was");
    EXPECT(probe_write(image::rodata().end - 1).is_page_fault(write_forbidden), "their end was");
    EXPECT(probe_write(second_way_to(address_of(&constant_return))).is_page_fault(write_forbidden),
           "one was, through the direct map");
    return Verdict::passed();
}

KERNEL_TEST(null_page, "a null pointer leads nowhere") {
    EXPECT(probe_read(VirtAddr{0}).is_page_fault(nothing_there), "address 0 was read");
    EXPECT(probe_read(VirtAddr{0xffff}).is_page_fault(nothing_there), "64 KiB - 1 was read");
    return Verdict::passed();
}

KERNEL_TEST(stack_guards, "guards stand below and above a kernel stack") {
    const auto stack = vm::allocate_kernel_stack();
    EXPECT(stack.ok(), "out of memory");
    const bool usable =
        !probe_write(stack->start).happened && !probe_write(stack->end - 1).happened;
    const bool below = probe_write(stack->start - 1).is_page_fault(page_fault_write);
    const bool above = probe_write(stack->end).is_page_fault(page_fault_write);
    vm::free_kernel_stack(*stack);
    EXPECT(usable, "the stack itself can't be written");
    EXPECT(below, "no guard below");
    EXPECT(above, "no guard above");
    EXPECT(probe_write(image::stack_guard()).is_page_fault(page_fault_write),
           "no guard below the first stack");
    return Verdict::passed();
}

} // namespace
} // namespace arch::ktest
