// SPDX-License-Identifier: MIT
// The processor's walk over paging structures (Intel SDM, vol. 3A, 4.5 to 4.8).
#include "shim/walker.hpp"

#include <atomic>

namespace shim {

namespace {

/// Bits low..high, both included.
constexpr std::uint64_t bit_range(unsigned low, unsigned high) {
    return high < low ? 0 : (~0ULL << low) & (~0ULL >> (63 - high));
}

/// The part of an entry that is an address, for a page or table aligned to 2^shift.
constexpr std::uint64_t address_in(std::uint64_t entry, unsigned shift) {
    return entry & bit_range(shift, 51);
}

bool is_page(unsigned level, std::uint64_t entry) {
    return level == 1 || ((level == 2 || level == 3) && (entry & bits::page_size) != 0);
}

Rights narrow(Rights rights, const Processor& processor, std::uint64_t entry) {
    rights.writable = rights.writable && (entry & bits::read_write) != 0;
    rights.user = rights.user && (entry & bits::user_supervisor) != 0;
    rights.executable =
        rights.executable && !(processor.no_execute && (entry & bits::execute_disable) != 0);
    return rights;
}

} // namespace

unsigned entry_shift(unsigned level) {
    constexpr unsigned shifts[] = {0, 12, 21, 30, 39, 48};
    return shifts[level];
}

bool canonical(const Processor& processor, std::uint64_t address) {
    const unsigned width = processor.levels == 5 ? 57 : 48;
    const std::uint64_t top = address >> (width - 1);
    return top == 0 || top == bit_range(0, 63 - (width - 1));
}

std::uint64_t reserved_bits(const Processor& processor, unsigned level, std::uint64_t entry) {
    std::uint64_t reserved = bit_range(processor.physical_bits, 51);
    if (!processor.no_execute) reserved |= bits::execute_disable;
    if (level >= 4 || (level == 3 && !processor.gib_pages)) reserved |= bits::page_size;
    // Large pages: from above the PAT bit (12) up to the page's alignment.
    if (level == 3 && is_page(level, entry)) reserved |= bit_range(13, 29);
    if (level == 2 && is_page(level, entry)) reserved |= bit_range(13, 20);
    return reserved;
}

bool set_flags(const Memory& memory, std::uint64_t entry_address, std::uint64_t expected,
               std::uint64_t flags) {
    std::atomic_ref<std::uint64_t> word(*memory(entry_address));
    std::uint64_t seen = word.load();
    constexpr std::uint64_t volatile_bits = bits::accessed | bits::dirty;
    do {
        if (((seen ^ expected) & ~volatile_bits) != 0) return false;
        if ((seen & flags) == flags) return true;
    } while (!word.compare_exchange_weak(seen, seen | flags));
    return true;
}

Walk walk(const Processor& processor, const Memory& memory, TableReference start, unsigned level,
          std::uint64_t address, Flags flags) {
    Walk result;
    TableReference at = start;
    for (;; --level) {
        const unsigned shift = entry_shift(level);
        result.level = level;
        result.entry_address = at.table + 8 * ((address >> shift) & 511);
        do {
            result.entry = std::atomic_ref<std::uint64_t>(*memory(result.entry_address)).load();
            if ((result.entry & bits::present) == 0) return result;
            if ((result.entry & reserved_bits(processor, level, result.entry)) != 0) {
                result.reserved = true;
                return result;
            }
        } while (flags == Flags::accessed && !is_page(level, result.entry) &&
                 !set_flags(memory, result.entry_address, result.entry, bits::accessed));
        const Rights rights = narrow(at.rights, processor, result.entry);
        if (is_page(level, result.entry)) {
            result.translation =
                Translation{.page = address >> shift << shift,
                            .frame = address_in(result.entry, shift),
                            .shift = shift,
                            .rights = rights,
                            .global = processor.global_pages && (result.entry & bits::global) != 0,
                            .dirty = (result.entry & bits::dirty) != 0};
            return result;
        }
        at = {address_in(result.entry, 12), rights};
        result.references[level] = at;
    }
}

bool allowed(const Processor& processor, const Request& request, Rights rights) {
    const bool fetch = request.operation == Operation::execute;
    const bool write = request.operation == Operation::write;
    if (request.user) {
        if (!rights.user) return false;
        return fetch ? rights.executable : !write || rights.writable;
    }
    if (fetch) return !(rights.user && processor.smep) && rights.executable;
    if (rights.user && processor.smap && !request.alignment_check) return false;
    return !write || rights.writable || !processor.write_protect;
}

std::uint32_t error_code(const Processor& processor, const Request& request, bool translated,
                         bool reserved) {
    std::uint32_t code = 0;
    if (translated || reserved) code |= fault_code::protection;
    if (reserved) code |= fault_code::reserved_bit;
    if (request.operation == Operation::write) code |= fault_code::write;
    if (request.user) code |= fault_code::user;
    if (request.operation == Operation::execute && (processor.no_execute || processor.smep))
        code |= fault_code::fetch;
    return code;
}

} // namespace shim
