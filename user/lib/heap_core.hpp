// SPDX-License-Identifier: MIT
// The heap's algorithm, apart from where pages come from: size classes in slabs, large blocks
// alone. Not thread-safe by itself.
//
//   slab, 64 KiB, aligned so         +--------+------+------+------+---
//                                    | header | block| block| ...
//                                    +--------+------+------+------+---
//   large block, aligned to 64 KiB   +--------+--------------------------
//                                    | header | the block
//                                    +--------+--------------------------
//
// The header of a block is found by rounding its address down, so blocks carry nothing themselves.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace user {

/// Where the heap's pages come from.
struct HeapPages {
    /// Zeroed memory, aligned to `HeapCore::slab_bytes`; null when there is none.
    void* (*take)(std::size_t bytes);
    void (*give_back)(void* memory, std::size_t bytes);
    /// More zeroed memory right behind; false when that is taken, or there is none.
    bool (*grow)(void* end, std::size_t bytes) = nullptr;
};

class HeapCore {
public:
    static constexpr std::size_t slab_bytes = 64 * 1024;
    static constexpr std::size_t header_bytes = 64; ///< blocks from 64 bytes up are aligned to it
    static constexpr std::array<std::uint16_t, 16> class_bytes{
        16, 32, 48, 64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8128, 16320};

    constexpr explicit HeapCore(HeapPages pages) : pages_(pages) {}
    HeapCore(const HeapCore&) = delete;
    HeapCore& operator=(const HeapCore&) = delete;

    /// Memory of at least `bytes`, aligned to 16; null when there is none.
    void* allocate(std::size_t bytes);
    /// Gives a block back; null is allowed.
    void release(void* block);
    /// Makes a large block larger where it is; false, and nothing changed, if that can't be.
    bool grow(void* block, std::size_t bytes);
    /// The bytes that a block really has.
    static std::size_t usable_bytes(const void* block);

    /// Bytes held from HeapPages.
    std::size_t held() const { return held_; }

private:
    struct FreeBlock {
        FreeBlock* next;
    };
    struct Header {
        std::uint64_t mark;
        std::uint64_t bytes;    ///< of a block
        std::uint64_t taken;    ///< the whole region
        std::uint32_t used;     ///< blocks handed out
        std::uint32_t fresh;    ///< blocks never handed out begin here, in bytes
        FreeBlock* free_blocks; ///< handed back
        Header* previous;       ///< slabs of this class with room
        Header* next;
        std::uint64_t size_class; ///< index; class_bytes.size(): a large block
    };
    static_assert(sizeof(Header) == header_bytes);

    static Header* header_of(void* block);
    static bool has_room(const Header& slab);
    void* allocate_large(std::size_t bytes);
    Header* new_slab(std::size_t size_class);
    void link(Header& slab);
    void unlink(Header& slab);

    HeapPages pages_;
    std::size_t held_ = 0;
    std::array<Header*, class_bytes.size()> roomy_{}; ///< per class: slabs with room
};

} // namespace user
