// SPDX-License-Identifier: MIT
// Addresses and page counts that do not mix.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

inline constexpr unsigned page_bits = 12;
inline constexpr std::uint64_t page_size = 1ULL << page_bits;

/// A number of pages of 4 KiB.
struct PageCount {
    std::uint64_t value = 0;
    constexpr auto operator<=>(const PageCount&) const = default;
    constexpr std::uint64_t bytes() const { return value << page_bits; }
    constexpr PageCount operator+(PageCount other) const { return {value + other.value}; }
    constexpr PageCount operator-(PageCount other) const { return {value - other.value}; }
};

/// A physical address, in bytes.
struct PhysAddr {
    std::uint64_t value = 0;
    constexpr auto operator<=>(const PhysAddr&) const = default;
    constexpr PhysAddr operator+(std::uint64_t bytes) const { return {value + bytes}; }
    constexpr bool page_aligned() const { return value % page_size == 0; }
};

/// A virtual address, in bytes; canonical form is the holder's business.
struct VirtAddr {
    std::uint64_t value = 0;
    constexpr auto operator<=>(const VirtAddr&) const = default;
    constexpr VirtAddr operator+(std::uint64_t bytes) const { return {value + bytes}; }
    constexpr VirtAddr operator-(std::uint64_t bytes) const { return {value - bytes}; }
    constexpr std::uint64_t operator-(VirtAddr other) const { return value - other.value; }
    constexpr bool page_aligned() const { return value % page_size == 0; }
};

/// A half-open range of virtual addresses.
struct VirtRange {
    VirtAddr start;
    VirtAddr end;
    constexpr std::uint64_t bytes() const { return end - start; }
    constexpr PageCount pages() const { return {bytes() >> page_bits}; }
    constexpr bool empty() const { return !(start < end); }
    constexpr bool operator==(const VirtRange&) const = default;
};

/// A half-open range of physical addresses.
struct PhysRange {
    PhysAddr start;
    PhysAddr end;
    constexpr std::uint64_t bytes() const { return end.value - start.value; }
    constexpr bool operator==(const PhysRange&) const = default;
};

/// `value` rounded down / up to a multiple of `unit`, a power of two. Rounding up may wrap to 0.
constexpr std::uint64_t align_down(std::uint64_t value, std::uint64_t unit) {
    return value & ~(unit - 1);
}
constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t unit) {
    return align_down(value + unit - 1, unit);
}

/// Whether exactly one bit is set. (std::has_single_bit needs a run-time library here.)
constexpr bool is_power_of_two(std::uint64_t value) {
    return value != 0 && (value & (value - 1)) == 0;
}
