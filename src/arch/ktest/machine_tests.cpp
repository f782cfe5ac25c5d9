// SPDX-License-Identifier: MIT
// Pages, registers, time and threads, as src/vm and src/proc rely on them.
#include "arch/ktest/ktest.hpp"
#include "arch/ktest/probe.hpp"
#include "arch/ktest/probe_code.hpp"
#include "arch/trap/interrupts.hpp"
#include "proc/port.hpp"
#include "vm/frames.hpp"
#include "vm/heap.hpp"
#include "vm/port.hpp"

#include <algorithm>
#include <span>

namespace arch::ktest {
namespace {

using proc::port::ThreadState;

/// Four frames in a row: two pages to work on, and neighbours that must stay as they are.
class FourPages {
public:
    FourPages() {
        const auto frames = vm::allocate_frames(vm::FrameKind::kernel, 2);
        if (frames.ok()) first_ = *frames;
    }
    FourPages(const FourPages&) = delete;
    FourPages& operator=(const FourPages&) = delete;
    ~FourPages() {
        if (exists()) vm::free_frames(first_, 2);
    }
    bool exists() const { return first_.value != 0; }
    std::span<std::uint64_t> page(unsigned index) const {
        return {static_cast<std::uint64_t*>(vm::direct(first_ + index * page_size)),
                page_size / sizeof(std::uint64_t)};
    }
    bool holds(unsigned index, std::uint64_t value) const {
        return std::ranges::all_of(page(index), [=](std::uint64_t word) { return word == value; });
    }

private:
    PhysAddr first_{};
};

KERNEL_TEST(zero_page, "zero_page clears one page and no more") {
    const FourPages pages;
    EXPECT(pages.exists(), "out of memory");
    for (unsigned i = 0; i < 4; ++i) std::ranges::fill(pages.page(i), ~0ULL);
    vm::port::zero_page(pages.page(1).data());
    EXPECT(pages.holds(1, 0), "the page is not zero");
    EXPECT(pages.holds(0, ~0ULL) && pages.holds(2, ~0ULL), "a neighbour changed");
    return Verdict::passed();
}

KERNEL_TEST(copy_page, "copy_page copies one page and no more") {
    const FourPages pages;
    EXPECT(pages.exists(), "out of memory");
    for (unsigned i = 0; i < 4; ++i) std::ranges::fill(pages.page(i), i);
    std::uint64_t number = 0;
    for (std::uint64_t& word : pages.page(1)) word = ++number * 0x0123'4567'89ab'cdef;
    vm::port::copy_page(pages.page(2).data(), pages.page(1).data());
    EXPECT(std::ranges::equal(pages.page(1), pages.page(2)), "the copy differs");
    EXPECT(pages.page(1)[0] == 0x0123'4567'89ab'cdef, "the source changed");
    EXPECT(pages.holds(0, 0) && pages.holds(3, 3), "a neighbour changed");
    return Verdict::passed();
}

KERNEL_TEST(fault_registers, "a fault keeps every register") {
    EXPECT(probe_keeps_registers(VirtAddr{0x1000}), "a page fault lost one");
    EXPECT(probe_keeps_registers(VirtAddr{0xdeadULL << 48}), "a general protection fault lost one");
    return Verdict::passed();
}

constinit unsigned interrupts_taken = 0;

KERNEL_TEST(interrupt_registers, "an interrupt keeps every register and the flags") {
    interrupts_taken = 0;
    set_interrupt_handler(probe_interrupt_vector, [] { ++interrupts_taken; });
    const std::uint64_t lost = probe_code_interrupt();
    EXPECT(interrupts_taken == 1, "the handler was not called once");
    EXPECT(lost == 0, "one changed");
    return Verdict::passed();
}

KERNEL_TEST(time_goes_on, "time goes forward, and never back") {
    const std::uint64_t start = proc::port::now();
    std::uint64_t last = start;
    for (unsigned i = 0; i < 100'000; ++i) {
        const std::uint64_t now = proc::port::now();
        EXPECT(now >= last, "it went back");
        last = now;
    }
    EXPECT(last > start, "it stands still");
    EXPECT(last - start < 60'000'000'000, "it runs");
    return Verdict::passed();
}

/// Two threads that hand the processor to each other.
struct Pair {
    ThreadState tested{};
    ThreadState other{};
    std::uint64_t kept_by_other = 0;
};

constexpr std::uint64_t tested_seed = 0x1111'0000'0000'0000;
constexpr std::uint64_t other_seed = 0x2222'0000'0000'0000;

void spoil_vectors(void* argument) {
    Pair& pair = *static_cast<Pair*>(argument);
    probe_code_fill_vectors(other_seed);
    proc::port::switch_thread(pair.other, pair.tested, vm::kernel_space());
    pair.kept_by_other = probe_code_count_vectors(other_seed);
    proc::port::switch_thread(pair.other, pair.tested, vm::kernel_space());
}

/// The number of vector registers that each side kept over two switches, the lower of both.
std::uint64_t vectors_kept(Pair& pair) {
    probe_code_fill_vectors(tested_seed);
    proc::port::switch_thread(pair.tested, pair.other, vm::kernel_space());
    const std::uint64_t kept = probe_code_count_vectors(tested_seed);
    proc::port::switch_thread(pair.tested, pair.other, vm::kernel_space());
    return std::min(kept, pair.kept_by_other);
}

KERNEL_TEST(vector_state, "the vector registers survive a thread switch") {
    constexpr std::uint64_t registers = 16;
    const std::size_t bytes = proc::port::vector_state_bytes();
    const auto tested = vm::heap_allocate(bytes);
    const auto other = vm::heap_allocate(bytes);
    const auto stack = vm::allocate_kernel_stack();
    EXPECT(tested.ok() && other.ok() && stack.ok(), "out of memory");
    Pair pair;
    // Preparing a user thread gives a vector state its first content; preparing a kernel thread
    // then replaces all else.
    pair.tested.stack_top = pair.other.stack_top = stack->end.value;
    pair.tested.vector_state = *tested;
    pair.other.vector_state = *other;
    proc::port::prepare_user_thread(pair.tested, {});
    proc::port::prepare_user_thread(pair.other, {});
    proc::port::prepare_kernel_thread(pair.other, spoil_vectors, &pair);
    pair.other.vector_state = *other;
    const std::uint64_t kept = vectors_kept(pair);
    vm::free_kernel_stack(*stack);
    vm::heap_free(*other, bytes);
    vm::heap_free(*tested, bytes);
    EXPECT(kept == registers, "some did not");
    return Verdict::passed();
}

} // namespace
} // namespace arch::ktest
