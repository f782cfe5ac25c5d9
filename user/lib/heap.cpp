// SPDX-License-Identifier: MIT
// The program's heap: HeapCore on `map`, behind a mutex; operator new and delete.
#include "user/lib/heap.hpp"

#include "user/lib/calls.hpp"
#include "user/lib/heap_core.hpp"
#include "user/lib/locks.hpp"
#include "user/lib/print.hpp"

#include <algorithm>

namespace user {

namespace {

void* take_pages(std::size_t bytes) {
    const auto address = map(align_up(bytes, page_size), {.alignment = HeapCore::slab_bytes});
    return address ? reinterpret_cast<void*>(*address) : nullptr;
}

void give_back_pages(void* memory, std::size_t bytes) {
    (void)unmap(reinterpret_cast<std::uintptr_t>(memory), bytes);
}

bool grow_pages(void* end, std::size_t bytes) {
    return user::grow(reinterpret_cast<std::uintptr_t>(end), bytes).ok();
}

constinit HeapCore heap({take_pages, give_back_pages, grow_pages});

} // namespace

void* allocate(std::size_t bytes) {
    MutexLock lock(runtime_locks.heap);
    return heap.allocate(bytes);
}

void release(void* block) {
    MutexLock lock(runtime_locks.heap);
    heap.release(block);
}

void* reallocate(void* block, std::size_t bytes) {
    if (block == nullptr) return allocate(bytes);
    const std::size_t old_bytes = HeapCore::usable_bytes(block);
    if (bytes <= old_bytes && bytes * 2 > old_bytes) return block;
    if (bytes > old_bytes) {
        MutexLock lock(runtime_locks.heap);
        if (heap.grow(block, bytes)) return block;
    }
    void* fresh = allocate(bytes);
    if (fresh == nullptr) return nullptr;
    __builtin_memcpy(fresh, block, std::min(bytes, old_bytes));
    release(block);
    return fresh;
}

std::size_t heap_held() {
    MutexLock lock(runtime_locks.heap);
    return heap.held();
}

} // namespace user

// Without exceptions a program that runs out of memory here ends with words; code that can go on
// without memory asks user::allocate.
void* operator new(std::size_t bytes) {
    void* block = user::allocate(bytes);
    if (block == nullptr) user::die("out of memory");
    return block;
}
void* operator new[](std::size_t bytes) { return operator new(bytes); }
void operator delete(void* block) noexcept { user::release(block); }
void operator delete[](void* block) noexcept { user::release(block); }
void operator delete(void* block, std::size_t) noexcept { user::release(block); }
void operator delete[](void* block, std::size_t) noexcept { user::release(block); }
