// SPDX-License-Identifier: MIT
// The kernel heap and kernel stacks, on pages that the map puts into the kernel's half.
#include "vm/heap.hpp"

#include "shim/check.hpp"
#include "shim/machine.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <random>
#include <vector>

namespace {

using namespace vm;
using shim::Machine;
using shim::MachineOptions;
using shim::Totals;

struct Block {
    std::uint8_t* memory;
    std::size_t bytes;
    std::uint8_t fill;
};

bool intact(const Block& block) {
    for (std::size_t n = 0; n < block.bytes; ++n) {
        if (block.memory[n] != block.fill) return false;
    }
    return true;
}

/// Takes, checks and gives back blocks of many sizes.
void exercise(std::uint64_t seed, unsigned steps) {
    std::mt19937_64 random(seed);
    std::vector<Block> blocks;
    bool good = true;
    for (unsigned step = 0; step < steps && good; ++step) {
        if (blocks.empty() || random() % 100 < 55) {
            const std::size_t limit = random() % 20 == 0 ? 40'000 : random() % 4 == 0 ? 3000 : 300;
            const std::size_t bytes = 1 + random() % limit;
            const auto memory = heap_allocate(bytes);
            if (!memory.ok()) continue;
            const auto fill = static_cast<std::uint8_t>(random());
            std::memset(*memory, fill, bytes);
            blocks.push_back({static_cast<std::uint8_t*>(*memory), bytes, fill});
        } else {
            std::swap(blocks[random() % blocks.size()], blocks.back());
            good = intact(blocks.back());
            heap_free(blocks.back().memory, blocks.back().bytes);
            blocks.pop_back();
        }
    }
    for (const Block& block : blocks) {
        good = good && intact(block);
        heap_free(block.memory, block.bytes);
    }
    CHECK(good);
}

} // namespace

TEST_CASE("heap memory is aligned, apart, and in the kernel's half") {
    Machine machine;
    std::map<std::uintptr_t, std::uintptr_t> used;
    std::vector<std::pair<void*, std::size_t>> blocks;
    for (std::size_t bytes = 1; bytes < 200'000; bytes = bytes * 3 / 2 + 1) {
        for (unsigned n = 0; n < 3; ++n) {
            CAPTURE(bytes);
            const auto memory = heap_allocate(bytes);
            REQUIRE(memory.ok());
            const auto start = reinterpret_cast<std::uintptr_t>(*memory);
            CHECK(start % (bytes >= 64 ? 64 : 16) == 0);
            CHECK(start >= shim::kernel_range.start.value);
            CHECK(start + bytes <= shim::kernel_range.end.value);
            const auto above = used.lower_bound(start);
            CHECK((above == used.end() || above->first >= start + bytes));
            CHECK((above == used.begin() || std::prev(above)->second <= start));
            used[start] = start + bytes;
            std::memset(*memory, 0x5c, bytes);
            blocks.emplace_back(*memory, bytes);
        }
    }
    for (const auto& [memory, bytes] : blocks) heap_free(memory, bytes);
}

TEST_CASE("heap content stays what was written, in random use, and use again takes no more") {
    Machine machine;
    exercise(1, 4000);
    const Totals before = Totals::now();
    for (unsigned round = 0; round < 3; ++round) exercise(1, 4000);
    CHECK(Totals::now() == before);
}

TEST_CASE("heap_new makes objects, heap_delete ends them") {
    Machine machine;
    struct Thing {
        explicit Thing(int& count_of, int start) : count(count_of), value(start) { ++count; }
        ~Thing() { --count; }
        int& count;
        int value;
    };
    int count = 0;
    const auto thing = heap_new<Thing>(count, 42);
    REQUIRE(thing.ok());
    CHECK((*thing)->value == 42);
    CHECK(count == 1);
    heap_delete(*thing);
    CHECK(count == 0);
}

TEST_CASE("a heap without memory says so, and goes on when there is some again") {
    Machine machine({.zones = MachineOptions::small_zones()});
    const auto first = heap_allocate(100);
    REQUIRE(first.ok());
    CHECK(heap_allocate(1ULL << 40).error() == Error::no_memory);
    CHECK(heap_allocate(~std::size_t{0}).error() == Error::no_memory);
    CHECK(heap_allocate(~std::size_t{0} - 4095).error() == Error::no_memory);
    std::vector<void*> blocks;
    for (;;) {
        const auto memory = heap_allocate(4000);
        if (!memory.ok()) {
            CHECK(memory.error() == Error::no_memory);
            break;
        }
        std::memset(*memory, 1, 4000);
        blocks.push_back(*memory);
        REQUIRE(blocks.size() < 2000);
    }
    CHECK(blocks.size() > 500);
    for (void* memory : blocks) heap_free(memory, 4000);
    const auto again = heap_allocate(4000);
    CHECK(again.ok());
}

TEST_CASE("each allocation of frames that a heap needs may fail") {
    for (std::uint64_t allowed = 0; allowed < 60; ++allowed) {
        CAPTURE(allowed);
        Machine machine({.zones = MachineOptions::small_zones()});
        const Totals before = Totals::now();
        shim::fail_allocation_after(allowed);
        std::vector<std::pair<void*, std::size_t>> blocks;
        for (const std::size_t bytes : {50UL, 700UL, 5000UL, 70'000UL, 200UL, 50UL}) {
            const auto memory = heap_allocate(bytes);
            if (!memory.ok()) continue;
            std::memset(*memory, 0x33, bytes);
            blocks.emplace_back(*memory, bytes);
        }
        const auto stack = allocate_kernel_stack();
        if (stack.ok()) free_kernel_stack(*stack);
        const bool failed = shim::allow_allocations();
        for (const auto& [memory, bytes] : blocks) heap_free(memory, bytes);
        exercise(allowed, 50);
        CHECK(Totals::now().total == before.total);
        if (!failed) {
            CHECK(blocks.size() == 6);
            return;
        }
    }
    FAIL("never without a failure");
}

TEST_CASE("kernel stacks are whole, apart, and stand between guards") {
    Machine machine;
    std::vector<VirtRange> stacks;
    for (unsigned n = 0; n < 20; ++n) {
        const auto stack = allocate_kernel_stack();
        REQUIRE(stack.ok());
        CHECK(stack->bytes() == kernel_stack_bytes);
        std::memset(reinterpret_cast<void*>(stack->start.value), static_cast<int>(n),
                    kernel_stack_bytes);
        for (const VirtAddr guard : {stack->start - 1, stack->end}) {
            const auto at = kernel_space().locate(guard);
            CHECK(at.entry.kind(at.level) == EntryKind::callback);
            CHECK(kernel_space().resolve(guard, {.write = true}) == Resolution::forbidden);
        }
        stacks.push_back(*stack);
    }
    for (unsigned n = 0; n < 20; ++n) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(stacks[n].start.value);
        CHECK(bytes[0] == n);
        CHECK(bytes[kernel_stack_bytes - 1] == n);
    }
    for (const VirtRange stack : stacks) free_kernel_stack(stack);
    CHECK(machine.complaints(kernel_space()) == "");
    const Totals before = Totals::now();
    for (unsigned round = 0; round < 50; ++round) {
        std::vector<VirtRange> more;
        for (unsigned n = 0; n < 12; ++n) {
            const auto stack = allocate_kernel_stack();
            REQUIRE(stack.ok());
            std::memset(reinterpret_cast<void*>(stack->start.value), 0x11, kernel_stack_bytes);
            more.push_back(*stack);
        }
        for (const VirtRange stack : more) free_kernel_stack(stack);
    }
    CHECK(Totals::now() == before);
}

TEST_CASE("the kernel's own space maps, protects and unmaps like any other") {
    Machine machine;
    AddressSpace& space = kernel_space();
    CHECK(space.is_kernel());
    const auto at = space.map({.pages = {600}, .alignment = page_size});
    REQUIRE(at.ok());
    CHECK(at->value >= shim::kernel_range.start.value);
    REQUIRE(space.populate({*at, *at + 600 * page_size}).ok());
    port::kernel_mapped({*at, *at + 600 * page_size});
    std::memset(reinterpret_cast<void*>(at->value), 0x21, 600 * page_size);
    const auto frame = space.frame_of(*at + 599 * page_size);
    REQUIRE(frame.ok());
    CHECK(static_cast<const std::uint8_t*>(direct(*frame))[4095] == 0x21);
    machine.mmu().load_root(0, machine.kernel_root().value);
    machine.mmu().prefetch(0);
    CHECK_FALSE(
        machine.mmu().look(machine.kernel_root().value, at->value).translation->rights.user);
    REQUIRE(space.protect({*at, *at + page_size}, Access::read()).ok());
    CHECK(machine.complaints(space) == "");
    REQUIRE(space.unmap({*at, *at + 600 * page_size}).ok());
    CHECK(machine.complaints(space) == "");
    CHECK(space.query(shim::kernel_range.start, {}) == 0);
}
