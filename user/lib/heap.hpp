// SPDX-License-Identifier: MIT
// Memory by the byte for programs, on top of `map`. Thread-safe.
#pragma once

#include <cstddef>
#include <new>

namespace user {

/// Memory of at least `bytes`, content undefined, aligned to 16; null when there is none.
[[nodiscard]] void* allocate(std::size_t bytes);
/// Gives it back; null is allowed.
void release(void* block);
/// A block of another size with the same content; null (and the old block stays) without memory.
[[nodiscard]] void* reallocate(void* block, std::size_t bytes);
/// Bytes that the heap holds from the kernel.
std::size_t heap_held();

} // namespace user
