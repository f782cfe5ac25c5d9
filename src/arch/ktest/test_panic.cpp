// SPDX-License-Identifier: MIT
// The panics of the command line.
#include "arch/ktest/test_panic.hpp"

#include "arch/boot/boot_information.hpp"
#include "arch/cpu/area.hpp"
#include "arch/layout.hpp"
#include "arch/log.hpp"
#include "arch/smp/waiting.hpp"
#include "arch/table_walk.hpp"
#include "vm/heap.hpp"
#include "vm/lock.hpp"
#include "vm/port.hpp"

#include <array>
#include <cstdint>
#include <limits>

namespace arch::ktest {
namespace {

/// In the kernel's dynamic range, far above all that is mapped there.
constexpr VirtAddr wild_address{layout::dynamic.end.value - 0x12345000 + 0x678};

[[gnu::noinline]] std::uint64_t read_wild() {
    return *reinterpret_cast<const volatile std::uint64_t*>(wild_address.value);
}

/// Goes down until the stack ends. The sum behind the call keeps it from becoming a loop.
[[gnu::noinline]] std::uint64_t descend(std::uint64_t depth) {
    volatile std::uint64_t ballast[64];
    ballast[depth % 64] = depth;
    if (depth == ~std::uint64_t{0}) return 0;
    return descend(depth + 1) + ballast[depth % 64];
}

[[gnu::noinline]] int index_beyond(std::size_t index) {
    const std::array<int, 4> numbers{1, 2, 3, 4};
    return numbers[index];
}

/// Every CPU at once.
void panic_everywhere() {
    for (unsigned cpu = 1; cpu < cpu_count(); ++cpu)
        begin_on(cpu, [] { vm::require(false, "a test of many panics"); });
    vm::require(false, "a test of many panics");
}

/// Another CPU, which holds the log.
void panic_elsewhere() {
    run_on(cpu_count() - 1, [] {
        const LogHold hold;
        vm::require(false, "a test of another CPU's panic");
    });
}

// What only a debug kernel notices.

/// Takes the guard behind a kernel stack out of its table, but not out of the table's bitmap.
void spoil_map() {
    const auto stack = vm::allocate_kernel_stack();
    vm::require(stack.ok(), "no stack to spoil");
    const TableWalk walk(stack->end);
    const auto steps = walk.steps();
    const PhysAddr table = steps[steps.size() - 2].entry.frame();
    static_cast<volatile std::uint64_t*>(layout::direct(table))[steps.back().index] = 0;
}

[[gnu::noinline]] void overflow(volatile int& number) { number = number + 1; }

void take_locks_out_of_rank() {
    vm::SpinLock<vm::Rank::log> later;
    vm::SpinLock<vm::Rank::heap> earlier;
    const vm::Guard first(later);
    const vm::Guard second(earlier);
}

} // namespace

void test_panic_if_wanted() {
    if (has_boot_word("panic")) vm::require(false, "a test of the panic");
    if (has_boot_word("panic=all")) panic_everywhere();
    if (has_boot_word("panic=other")) panic_elsewhere();
    if (has_boot_word("panic=fault")) static_cast<void>(read_wild());
    if (has_boot_word("panic=stack")) static_cast<void>(descend(0));
    volatile std::size_t index = 4;
    if (has_boot_word("panic=array")) static_cast<void>(index_beyond(index));
    volatile int most = std::numeric_limits<int>::max();
    if (has_boot_word("panic=undefined")) overflow(most);
    if (has_boot_word("panic=rank")) take_locks_out_of_rank();
    if (has_boot_word("panic=map")) spoil_map(); // at the next memory_info
}

} // namespace arch::ktest
