// SPDX-License-Identifier: MIT
// Access: the rights to a page. Write and execute together cannot be built.
#pragma once

#include "abi/types.hpp"
#include "lib/result.hpp"

#include <cstdint>

namespace vm {

/// One of none, r--, rw-, r-x. x86-64 pages that can be written or executed can be read.
class Access {
public:
    constexpr Access() = default;
    static constexpr Access none() { return Access{0U}; }
    static constexpr Access read() { return Access{abi::access_read}; }
    static constexpr Access read_write() { return Access{abi::access_read | abi::access_write}; }
    static constexpr Access read_execute() {
        return Access{abi::access_read | abi::access_execute};
    }

    /// From abi::Access bits as user space gives them. Write or execute implies read.
    /// Errors: not_permitted for write and execute together; invalid_argument for unknown bits.
    static constexpr Result<Access> make(std::uint64_t bits) {
        if (bits > 7) return Error::invalid_argument;
        if ((bits & abi::access_write) != 0 && (bits & abi::access_execute) != 0)
            return Error::not_permitted;
        return Access{bits == 0 ? 0U : static_cast<unsigned>(bits) | abi::access_read};
    }

    constexpr bool readable() const { return bits_ != 0; }
    constexpr bool writable() const { return (bits_ & abi::access_write) != 0; }
    constexpr bool executable() const { return (bits_ & abi::access_execute) != 0; }
    constexpr std::uint8_t bits() const { return bits_; }
    /// Whether everything that `other` allows is allowed here too.
    constexpr bool covers(Access other) const { return (other.bits_ & ~bits_) == 0; }
    constexpr bool operator==(const Access&) const = default;

private:
    friend class Entry;
    friend class Ceiling;
    constexpr explicit Access(unsigned bits) : bits_(static_cast<std::uint8_t>(bits)) {}
    std::uint8_t bits_ = 0;
};

/// The most that `protect` may ever give a range: any mixture of r, w and x, since rights may
/// alternate between rw- and r-x, though never hold both at once.
class Ceiling {
public:
    constexpr Ceiling() = default;
    static constexpr Ceiling all() { return Ceiling{7U}; }
    static constexpr Ceiling none() { return Ceiling{0U}; }
    static constexpr Ceiling of(Access access) { return Ceiling{access.bits()}; }
    /// From abi::Access bits; others are dropped.
    static constexpr Ceiling from_bits(unsigned bits) { return Ceiling{bits & 7U}; }
    constexpr bool allows(Access access) const { return (access.bits() & ~bits_) == 0; }
    /// What is left of rights, or of another ceiling, below this one.
    constexpr Access cut(Access access) const { return Access{access.bits() & unsigned{bits_}}; }
    constexpr Ceiling cut(Ceiling other) const { return from_bits(other.bits_ & bits_); }
    constexpr std::uint8_t bits() const { return bits_; }
    constexpr bool operator==(const Ceiling&) const = default;

private:
    constexpr explicit Ceiling(unsigned bits) : bits_(static_cast<std::uint8_t>(bits)) {}
    std::uint8_t bits_ = 0;
};

} // namespace vm
