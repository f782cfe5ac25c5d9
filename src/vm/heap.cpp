// SPDX-License-Identifier: MIT
// The kernel heap: power-of-two and three-quarter size classes, each a list of free pieces cut from
// pages; larger requests are mapped by themselves. All of it is mapped in the kernel's half.
#include "vm/heap.hpp"

#include "vm/lock.hpp"
#include "vm/space.hpp"

#include <algorithm>
#include <array>

namespace vm {

namespace {

/// Sizes of pieces; from 64 up all are multiples of 64, so pieces keep that alignment.
constexpr std::array<std::size_t, 14> classes{16,  32,  64,  128, 192,  256,  320,
                                              448, 576, 768, 960, 1344, 2048, 4096};
/// Bytes by which the classes grow.
constexpr std::uint64_t chunk_bytes = 4 * page_size;

struct Piece {
    Plain<Piece*> next;
};
struct Heap {
    std::array<Plain<Piece*>, classes.size()> free{};
};
constinit Guarded<Heap, Rank::heap> heap;

constexpr std::size_t class_of(std::size_t bytes) {
    return static_cast<std::size_t>(std::ranges::lower_bound(classes, bytes) - classes.begin());
}

/// Fresh pages of the kernel's half, present. Error: no_memory.
Result<VirtRange> grow(std::uint64_t bytes) {
    AddressSpace& space = kernel_space();
    const VirtAddr start = TRY(space.map({.pages = {bytes >> page_bits},
                                          .alignment = page_size,
                                          .access = Access::read_write(),
                                          .ceiling = Ceiling::of(Access::read_write())}));
    const VirtRange range{start, start + bytes};
    if (const auto done = space.populate(range); !done) {
        const auto undone = space.unmap(range);
        require(undone.ok(), "unmapping whole pages of the kernel needs nothing");
        return done.error();
    }
    port::kernel_mapped(range);
    return range;
}

} // namespace

void reset_heap() { std::ranges::fill(heap.lock()->free, nullptr); }

Result<void*> heap_allocate(std::size_t bytes) {
    if (bytes > kernel_space().range().bytes()) return Error::no_memory;
    if (bytes > classes.back()) {
        const VirtRange range = TRY(grow(align_up(bytes, page_size)));
        return reinterpret_cast<void*>(range.start.value);
    }
    const std::size_t index = class_of(bytes);
    const std::size_t size = classes[index];
    while (true) {
        {
            auto pool = heap.lock();
            if (Piece* const piece = pool->free[index]; piece != nullptr) {
                pool->free[index] = piece->next;
                return piece;
            }
        }
        // Mapping takes table locks, so not under the heap's: another CPU may do the same.
        const VirtRange chunk = TRY(grow(chunk_bytes));
        auto pool = heap.lock();
        for (std::uint64_t at = 0; at + size <= chunk.bytes(); at += size) {
            auto* piece = reinterpret_cast<Piece*>(chunk.start.value + at);
            piece->next = pool->free[index];
            pool->free[index] = piece;
        }
    }
}

void heap_free(void* memory, std::size_t bytes) {
    if (bytes > classes.back()) {
        const VirtAddr start{reinterpret_cast<std::uintptr_t>(memory)};
        const auto done = kernel_space().unmap({start, start + align_up(bytes, page_size)});
        require(done.ok(), "freeing what is not the heap's");
        return;
    }
    auto* piece = static_cast<Piece*>(memory);
    auto pool = heap.lock();
    const std::size_t index = class_of(bytes);
    piece->next = pool->free[index];
    pool->free[index] = piece;
}

} // namespace vm
