// SPDX-License-Identifier: MIT
// What the driver asks of whoever runs it, a kernel or a process: registers, memory that the
// controller reaches too, and somewhere for keys and words to go.
#pragma once

#include "lib/keyboard.hpp"
#include "lib/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lib::xhci {

/// Memory that the controller reads and writes, coherent with the processor.
struct DmaMemory {
    std::byte* bytes = nullptr;
    std::uint64_t physical = 0;
    std::size_t size = 0;
};

/// How much a line of the log matters.
enum class Weight : std::uint8_t {
    detail,  ///< what goes as it should
    problem, ///< something does not work that somebody may be waiting for
};

/// Functions and their context. None of them may call the driver.
struct Host {
    void* context = nullptr;
    /// The controller's registers: 32 bits at a multiple of 4 below window_bytes.
    std::uint32_t (*read)(void* context, std::uint32_t offset) = nullptr;
    void (*write)(void* context, std::uint32_t offset, std::uint32_t value) = nullptr;
    std::uint32_t window_bytes = 0;
    /// Memory of `bytes`, a power of two from 4096 up: contiguous, aligned to its size, zeroed.
    /// `below_4_gib`: the controller reaches no further. Error: no_memory.
    Result<DmaMemory> (*allocate)(void* context, std::size_t bytes, bool below_4_gib) = nullptr;
    void (*release)(void* context, DmaMemory memory) = nullptr;
    /// One line.
    void (*log)(void* context, Weight weight, std::string_view line) = nullptr;
    void (*key)(void* context, KeyEvent event) = nullptr;
};

/// Times are nanoseconds of a clock that does not go back.
using Nanoseconds = std::uint64_t;
inline constexpr Nanoseconds never = ~Nanoseconds{0};
inline constexpr Nanoseconds milliseconds = 1'000'000;

} // namespace lib::xhci
