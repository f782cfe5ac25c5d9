// SPDX-License-Identifier: MIT
// A binary search in the table that tools/make_symbols.py made.
#include "arch/symbols.hpp"

#include <cstddef>

namespace arch {

namespace {

/// One function: where it starts, from the kernel's base, and where its name starts.
struct SymbolEntry {
    std::uint32_t address;
    std::uint32_t name;
};

constexpr std::uint64_t kernel_base = 0xffff'ffff'8000'0000;

extern "C" {
extern const std::uint32_t symbol_count;
extern const SymbolEntry symbol_entries[];
extern const char symbol_names[];
extern const char text_start[];
extern const char text_end[];
}

} // namespace

const char* symbol_name(std::uint64_t address, std::uint64_t* offset) {
    const auto start = reinterpret_cast<std::uint64_t>(text_start);
    const auto end = reinterpret_cast<std::uint64_t>(text_end);
    if (address < start || address >= end) return nullptr;
    const std::uint64_t wanted = address - kernel_base;

    // Invariant: entries before `low` start at or before the address, those from `high` on after.
    std::size_t low = 0;
    std::size_t high = symbol_count;
    while (low < high) {
        const std::size_t middle = low + (high - low) / 2;
        if (symbol_entries[middle].address <= wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) return nullptr;
    const SymbolEntry& found = symbol_entries[low - 1];
    if (offset != nullptr) *offset = wanted - found.address;
    return symbol_names + found.name;
}

} // namespace arch
