// SPDX-License-Identifier: MIT
// Free runs: bitmaps a word at a time.
#include "vm/free_runs.hpp"

#include <algorithm>
#include <bit>

namespace vm {

namespace {

constexpr unsigned bitmap_words = table_entries / 64;

/// For slots [64 * word, 64 * word + 64): bit i says that slot i and the next `count` - 1 are
/// empty.
std::uint64_t starts(const TableDescriptor& table, unsigned word, unsigned count) {
    std::uint64_t low = table.free_word(word);
    std::uint64_t high = word + 1 < bitmap_words ? table.free_word(word + 1) : 0;
    // After each step a bit says that this slot and the next `have` - 1 are empty.
    for (unsigned have = 1; have < count && low != 0;) {
        const unsigned more = std::min({have, count - have, 63U});
        low &= low >> more | high << (64 - more);
        high &= high >> more;
        have += more;
    }
    return low;
}

/// Bits whose number is a multiple of `step`.
constexpr std::uint64_t multiples(unsigned step) {
    return step == 64 ? 1 : ~0ULL / ((1ULL << step) - 1);
}
static_assert(multiples(1) == ~0ULL && multiples(4) == 0x1111'1111'1111'1111);

} // namespace

unsigned alike_from(const TableDescriptor& table, unsigned first, bool empty) {
    unsigned at = first;
    while (at < table_entries) {
        const std::uint64_t word = empty ? ~table.free_word(at / 64) : table.free_word(at / 64);
        const std::uint64_t rest = word >> (at % 64);
        if (rest != 0) return at + static_cast<unsigned>(std::countr_zero(rest)) - first;
        at = (at / 64 + 1) * 64;
    }
    return table_entries - first;
}

unsigned alike_below(const TableDescriptor& table, unsigned end, bool empty) {
    unsigned at = end;
    while (at != 0) {
        const unsigned word = (at - 1) / 64;
        const unsigned bits = at - word * 64;
        const std::uint64_t alike = empty ? table.free_word(word) : ~table.free_word(word);
        const auto ones = static_cast<unsigned>(std::countl_one(alike << (64 - bits)));
        if (ones < bits) return end - at + ones;
        at = word * 64;
    }
    return end;
}

unsigned count_alike(const Slot* slots, unsigned count, Entry entry) {
    const std::uint64_t bits = entry.bits_alike();
    if (!entry.is_alike(slots[1].peek())) return 1;
    constexpr unsigned block = 16;
    unsigned left = count;
    for (; left >= block; left -= block, slots += block) {
        std::uint64_t differing = 0;
#pragma GCC unroll 16
        for (unsigned index = 0; index < block; ++index)
            differing |= slots[index].peek().raw() ^ entry.raw();
        if ((differing & bits) != 0) break;
    }
    while (left != 0 && entry.is_alike(slots->peek())) --left, ++slots;
    return count - left;
}

unsigned find_empty(const TableDescriptor& table, unsigned first, unsigned count, unsigned step) {
    const std::uint64_t aligned = multiples(step);
    for (unsigned word = first / 64; word < bitmap_words; ++word) {
        if (table.free_word(word) == 0) continue;
        std::uint64_t found = starts(table, word, count) & aligned;
        if (word == first / 64) found &= ~0ULL << (first % 64);
        if (found != 0) return word * 64 + static_cast<unsigned>(std::countr_zero(found));
    }
    return table_entries;
}

unsigned find_empty_below(const TableDescriptor& table, unsigned end, unsigned count,
                          unsigned step) {
    if (end < count) return table_entries;
    const unsigned last = end - count;
    const std::uint64_t aligned = multiples(step);
    for (unsigned word = last / 64 + 1; word-- > 0;) {
        if (table.free_word(word) == 0) continue;
        std::uint64_t found = starts(table, word, count) & aligned;
        if (word == last / 64) found &= ~0ULL >> (63 - last % 64);
        if (found != 0) return word * 64 + 63 - static_cast<unsigned>(std::countl_zero(found));
    }
    return table_entries;
}

unsigned longest_empty(const TableDescriptor& table) {
    // Bit i of the words: slot i begins a run of at least `longest`. Shorter ones fall out.
    std::uint64_t words[bitmap_words];
    std::uint64_t any = 0;
    for (unsigned word = 0; word < bitmap_words; ++word) any |= words[word] = table.free_word(word);
    unsigned longest = 0;
    for (; any != 0; ++longest) {
        if (longest == 16) break; // long ones are few: looked at one by one
        any = 0;
        for (unsigned word = 0; word < bitmap_words; ++word) {
            const std::uint64_t next = word + 1 < bitmap_words ? words[word + 1] : 0;
            any |= words[word] &= words[word] >> 1 | next << 63;
        }
    }
    for (unsigned at = 0; any != 0 && at < table_entries;) {
        const unsigned empty = alike_from(table, at, true);
        longest = std::max(longest, empty);
        at += empty;
        if (at < table_entries) at += alike_from(table, at, false);
    }
    return longest;
}

std::uint64_t free_above(const TableRef& table, VirtAddr from) {
    const unsigned first = table.index_of(from);
    const std::uint64_t each = level_pages(table.level);
    // Counted from the first slot's beginning; what lies before `from` is taken off at the end.
    const std::uint64_t before = (from - table.address_of(first)) >> page_bits;
    std::uint64_t pages = 0;
    for (unsigned index = first; index < table_entries;) {
        const unsigned empty = alike_from(*table.descriptor, index, true);
        pages += empty * each;
        index += empty;
        if (index == table_entries || table.level == 1) break;
        const Entry next = table.slots[index].load();
        if (!next.is_table(table.level)) break;
        const TableRef child = table.below(next, index);
        if (child.descriptor == nullptr) break; // made at boot, beside the kernel's range
        const std::uint64_t skipped = index == first ? before : 0;
        const std::uint64_t below =
            child.descriptor->live == 0
                ? each
                : skipped + free_above(child, child.base + (skipped << page_bits));
        pages += below;
        if (below != each) break;
        ++index;
    }
    return pages > before ? pages - before : 0;
}

std::uint64_t free_below(const TableRef& table, VirtAddr to) {
    const unsigned last = table.index_of(to - 1);
    const std::uint64_t each = level_pages(table.level);
    const std::uint64_t after =
        (table.address_of(last) + level_size(table.level) - to) >> page_bits;
    std::uint64_t pages = 0;
    for (unsigned end = last + 1; end != 0;) {
        const unsigned empty = alike_below(*table.descriptor, end, true);
        pages += empty * each;
        end -= empty;
        if (end == 0 || table.level == 1) break;
        const Entry next = table.slots[end - 1].load();
        if (!next.is_table(table.level)) break;
        const TableRef child = table.below(next, end - 1);
        if (child.descriptor == nullptr) break;
        const std::uint64_t skipped = end == last + 1 ? after : 0;
        const std::uint64_t below =
            child.descriptor->live == 0
                ? each
                : skipped + free_below(child, child.base + ((each - skipped) << page_bits));
        pages += below;
        if (below != each) break;
        --end;
    }
    return pages > after ? pages - after : 0;
}

} // namespace vm
