// SPDX-License-Identifier: MIT
// The kernel's own memory by the byte, and its stacks. Both grow by mapping pages in the kernel's
// half through the same code as any process's memory.
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"

#include <cstddef>
#include <new>
#include <utility>

namespace vm {

/// Memory of at least `bytes`, undefined content, aligned to 16, and to 64 from 64 bytes up.
/// Error: no_memory. Takes heap rank and below.
Result<void*> heap_allocate(std::size_t bytes);
/// Gives it back; `bytes` as it was asked for.
void heap_free(void* memory, std::size_t bytes);

/// Makes a T on the heap.
template <typename T, typename... Arguments>
Result<T*> heap_new(Arguments&&... arguments) {
    void* memory = TRY(heap_allocate(sizeof(T)));
    return new (memory) T(std::forward<Arguments>(arguments)...);
}
template <typename T>
void heap_delete(T* object) {
    object->~T();
    heap_free(object, sizeof(T));
}

/// Forget all pieces and kept stacks: a fresh machine begins. Called by `initialise_frames`.
void reset_heap();
void reset_stacks();

/// Usable bytes of a kernel stack; a guard stands below and above it.
inline constexpr std::size_t kernel_stack_bytes = 4 * page_size;

/// A kernel stack, present, content undefined; a few are kept for reuse. Error: no_memory.
Result<VirtRange> allocate_kernel_stack();
void free_kernel_stack(VirtRange stack);

} // namespace vm
