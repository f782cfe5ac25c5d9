// SPDX-License-Identifier: MIT
// A queue of bytes of a fixed size. Not locked: one user at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace lib {

/// First in, first out. What does not fit is refused, never what is already there.
template <std::size_t capacity>
class ByteRing {
    static_assert(capacity != 0 && (capacity & (capacity - 1)) == 0, "a power of two");

public:
    constexpr std::size_t size() const { return written_ - read_; }
    constexpr bool empty() const { return size() == 0; }

    /// Adds all of `bytes`, or nothing: half an escape sequence is worse than none. Tells which.
    constexpr bool push(std::span<const char> bytes) {
        if (bytes.size() > capacity - size()) return false;
        for (const char byte : bytes) bytes_[written_++ % capacity] = byte;
        return true;
    }
    /// Takes the oldest bytes, as many as there are and fit. Gives their number.
    constexpr std::size_t pop(std::span<char> buffer) {
        const std::size_t count = std::min(buffer.size(), size());
        for (char& byte : buffer.first(count)) byte = bytes_[read_++ % capacity];
        return count;
    }

private:
    std::array<char, capacity> bytes_{};
    std::size_t written_ = 0; // counts for ever; the places are the remainders
    std::size_t read_ = 0;
};

} // namespace lib
