// SPDX-License-Identifier: MIT
// src/vm alone, outside its kernel: a process's memory map kept in nothing but the entries of a
// paging structure. Reserves a terabyte, touches a page as a fault handler would, asks for holes
// and neighbours, and takes all of it back.
#include "vm/commit.hpp"
#include "vm/frames.hpp"
#include "vm/space.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

namespace {

constexpr std::uint64_t kib = 1ULL << 10;
constexpr std::uint64_t tib = 1ULL << 40;
constexpr std::uint64_t memory_bytes = 4096 * kib;

/// Ends the program where something did not work: an example has no better answer.
template <typename T>
T must(Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "error %d\n", static_cast<int>(result.error()));
        std::exit(1);
    }
    if constexpr (!std::is_void_v<T>) return *result;
}

/// Gives src/vm its memory, and the kernel's half its root.
void start(std::byte* memory) {
    vm::port::direct_map = reinterpret_cast<std::uintptr_t>(memory);
    static std::vector<vm::Frame> records(memory_bytes / page_size);
    // The first frame is the kernel's root: a kernel passes the one that it runs on.
    const PhysRange usable[] = {{PhysAddr{2 * page_size}, PhysAddr{memory_bytes}}};
    vm::initialise_frames(usable, records.data(), records.size());
    vm::set_commit_limit(vm::commit_capacity());
    constexpr VirtRange kernel_half{VirtAddr{0xffff'c000'0000'0000},
                                    VirtAddr{0xffff'c080'0000'0000}};
    must(vm::kernel_space().adopt_kernel(PhysAddr{page_size}, 4, kernel_half));
}

/// The map, run by run, as it reads from the entries.
void print(const vm::AddressSpace& space, const char* title) {
    std::vector<abi::Run> runs(16);
    runs.resize(space.query(VirtAddr{0}, runs));
    const auto counts = space.counts();
    std::printf("%s: %zu runs, %lu frames, %lu tables\n", title, runs.size(), counts.anonymous,
                counts.tables);
    for (const abi::Run& run : runs)
        std::printf("  %012lx-%012lx %-8s %lu pages\n", run.start, run.end,
                    abi::state_names[static_cast<unsigned>(run.state)],
                    (run.end - run.start) / page_size);
}

/// What a page-fault handler does: the CPU says where and how, the map what comes of it.
bool fault(vm::AddressSpace& space, VirtAddr address, bool write) {
    return space.resolve(address, {.write = write}) == vm::Resolution::resolved;
}

void tour() {
    vm::AddressSpace space;
    must(space.create());

    const VirtAddr huge = must(space.map({.pages = {tib / page_size}, .noreserve = true}));
    const VirtAddr heap = must(space.map({.pages = {64}}));
    print(space, "a terabyte and a heap");

    const bool touched = fault(space, huge + tib / 2, true) && fault(space, heap, true);
    const bool hole = fault(space, VirtAddr{16 * tib}, false);
    std::printf("touched: %s, a hole: %s\n", touched ? "resolved" : "refused",
                hole ? "resolved" : "refused");
    print(space, "two pages touched");

    const VirtAddr free = must(space.first_fit({3}, page_size, heap));
    const auto next = space.nearest(free, abi::Direction::up);
    std::printf("three free pages at or above the heap: %012lx; above it: %s\n", free.value,
                next ? "mapped" : "nothing");

    must(space.unmap({huge, huge + tib}));
    must(space.unmap({heap, heap + 64 * page_size}));
    print(space, "all unmapped");
    space.destroy();
}

} // namespace

int main() {
    auto* const memory = static_cast<std::byte*>(std::aligned_alloc(page_size, memory_bytes));
    if (memory == nullptr) return 1;
    std::fill_n(memory, memory_bytes, std::byte{0});
    start(memory);
    const std::uint64_t before = vm::committed().value;
    tour();
    std::printf("left behind: %lu pages\n", vm::committed().value - before);
    std::free(memory);
}
