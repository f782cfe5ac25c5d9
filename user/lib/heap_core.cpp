// SPDX-License-Identifier: MIT
// The heap's algorithm.
#include "user/lib/heap_core.hpp"

namespace user {

namespace {

constexpr std::uint64_t header_mark = 0x7461'6275'6c61'6870; // "tabulahp": a valid header
constexpr std::size_t page_bytes = 4096;

std::size_t class_of(std::size_t bytes) {
    std::size_t at = 0;
    while (at < HeapCore::class_bytes.size() && HeapCore::class_bytes[at] < bytes) ++at;
    return at;
}

/// Pages of a large block, in bytes; smaller than `bytes` if there are too many.
constexpr std::size_t large_bytes(std::size_t bytes) {
    return (bytes + HeapCore::header_bytes + page_bytes - 1) & ~(page_bytes - 1);
}

} // namespace

HeapCore::Header* HeapCore::header_of(void* block) {
    const auto address = reinterpret_cast<std::uintptr_t>(block);
    auto* header = reinterpret_cast<Header*>(address & ~(slab_bytes - 1));
    if (header->mark != header_mark) __builtin_trap(); // not from this heap, or overwritten
    return header;
}

bool HeapCore::has_room(const Header& slab) {
    return slab.free_blocks != nullptr || slab.fresh + slab.bytes <= slab_bytes;
}

void* HeapCore::allocate(std::size_t bytes) {
    const std::size_t size_class = class_of(bytes);
    if (size_class == class_bytes.size()) return allocate_large(bytes);
    Header* slab = roomy_[size_class];
    if (slab == nullptr) slab = new_slab(size_class);
    if (slab == nullptr) return nullptr;
    void* block = slab->free_blocks;
    if (block != nullptr) {
        slab->free_blocks = slab->free_blocks->next;
    } else {
        block = reinterpret_cast<char*>(slab) + slab->fresh;
        slab->fresh += static_cast<std::uint32_t>(slab->bytes);
    }
    ++slab->used;
    if (!has_room(*slab)) unlink(*slab);
    return block;
}

void HeapCore::release(void* block) {
    if (block == nullptr) return;
    Header* header = header_of(block);
    if (header->size_class == class_bytes.size()) {
        held_ -= header->taken;
        header->mark = 0;
        pages_.give_back(header, header->taken);
        return;
    }
    if (!has_room(*header)) link(*header);
    auto* free_block = static_cast<FreeBlock*>(block);
    free_block->next = header->free_blocks;
    header->free_blocks = free_block;
    --header->used;
    const bool only_one = header->previous == nullptr && header->next == nullptr;
    if (header->used == 0 && !only_one) { // one empty slab stays: the next block is soon wanted
        unlink(*header);
        held_ -= slab_bytes;
        header->mark = 0;
        pages_.give_back(header, slab_bytes);
    }
}

bool HeapCore::grow(void* block, std::size_t bytes) {
    Header* header = header_of(block);
    if (header->size_class != class_bytes.size() || pages_.grow == nullptr) return false;
    const std::size_t taken = large_bytes(bytes);
    if (taken <= header->taken) return taken >= bytes;
    const std::size_t more = taken - header->taken;
    if (!pages_.grow(reinterpret_cast<char*>(header) + header->taken, more)) return false;
    held_ += more;
    header->taken = taken;
    header->bytes = taken - header_bytes;
    return true;
}

std::size_t HeapCore::usable_bytes(const void* block) {
    return header_of(const_cast<void*>(block))->bytes;
}

void* HeapCore::allocate_large(std::size_t bytes) {
    const std::size_t taken = large_bytes(bytes);
    if (taken < bytes) return nullptr;
    void* memory = pages_.take(taken);
    if (memory == nullptr) return nullptr;
    held_ += taken;
    auto* header = static_cast<Header*>(memory);
    *header = {.mark = header_mark,
               .bytes = taken - header_bytes,
               .taken = taken,
               .used = 1,
               .fresh = 0,
               .free_blocks = nullptr,
               .previous = nullptr,
               .next = nullptr,
               .size_class = class_bytes.size()};
    return header + 1;
}

HeapCore::Header* HeapCore::new_slab(std::size_t size_class) {
    void* memory = pages_.take(slab_bytes);
    if (memory == nullptr) return nullptr;
    held_ += slab_bytes;
    auto* slab = static_cast<Header*>(memory);
    *slab = {.mark = header_mark,
             .bytes = class_bytes[size_class],
             .taken = slab_bytes,
             .used = 0,
             .fresh = header_bytes,
             .free_blocks = nullptr,
             .previous = nullptr,
             .next = nullptr,
             .size_class = size_class};
    link(*slab);
    return slab;
}

void HeapCore::link(Header& slab) {
    Header*& first = roomy_[slab.size_class];
    slab.previous = nullptr;
    slab.next = first;
    if (first != nullptr) first->previous = &slab;
    first = &slab;
}

void HeapCore::unlink(Header& slab) {
    if (slab.previous != nullptr) {
        slab.previous->next = slab.next;
    } else {
        roomy_[slab.size_class] = slab.next;
    }
    if (slab.next != nullptr) slab.next->previous = slab.previous;
    slab.previous = slab.next = nullptr;
}

} // namespace user
