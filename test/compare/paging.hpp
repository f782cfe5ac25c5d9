// SPDX-License-Identifier: MIT
// Frames and page tables for the structures that are compared: four levels, leaves of 4 KiB, tables
// that go when they are empty, frames with counts.
#pragma once

#include "lib/address.hpp"
#include "vm/access.hpp"

#include <cstdint>
#include <vector>

namespace compare {

/// Frames out of one piece of memory, which takes none before it is used.
class Frames {
public:
    explicit Frames(std::uint64_t bytes);
    ~Frames();
    Frames(const Frames&) = delete;
    Frames& operator=(const Frames&) = delete;

    /// A frame of zeros, counted once.
    std::uint64_t make();
    void* memory(std::uint64_t frame) const { return memory_ + frame; }
    std::uint32_t& count(std::uint64_t frame) { return counts_[frame >> page_bits]; }
    void release(std::uint64_t frame) {
        if (--count(frame) == 0) free_.push_back(frame);
    }
    std::uint64_t in_use() const { return (next_ >> page_bits) - free_.size() - 1; }

private:
    std::byte* memory_;
    std::uint64_t bytes_;
    std::uint64_t next_ = page_size; ///< frame 0 is never used
    std::vector<std::uint64_t> free_;
    std::vector<std::uint32_t> counts_;
};

using Entry = std::uint64_t;

/// Bits of entries. With a frame: what the processor knows, `cow`, and `kept` where the frame is
/// there though no access is allowed. Without one, for the structure that keeps states in entries:
/// `lazy` and an id. Rights as granted in both.
namespace bit {
inline constexpr Entry present = 1;
inline constexpr Entry write = 2;
inline constexpr Entry user = 4;
inline constexpr Entry kept = 1ULL << 9;
inline constexpr Entry cow = 1ULL << 10;
inline constexpr Entry lazy = 1ULL << 11;
inline constexpr unsigned access_shift = 58;
inline constexpr Entry access = 7ULL << access_shift;
inline constexpr Entry no_execute = 1ULL << 63;
inline constexpr Entry frame = 0x000f'ffff'ffff'f000;
} // namespace bit

constexpr bool has_frame(Entry entry) { return (entry & (bit::present | bit::kept)) != 0; }
/// With a frame; the bits that come from rights made anew.
Entry with_access(Entry entry, vm::Access access);

class Paging {
public:
    explicit Paging(Frames& frames) : frames_(frames), root_(frames.make()) {}
    ~Paging();
    Paging(const Paging&) = delete;
    Paging& operator=(const Paging&) = delete;

    Frames& frames() const { return frames_; }
    std::uint64_t tables() const { return tables_; }

    /// The page's entry; null if there is no table.
    Entry* find(std::uint64_t address) const;
    /// The same, with the tables that it takes.
    Entry& make(std::uint64_t address);
    /// Writes an entry, and counts it in its table.
    void put(Entry& slot, Entry entry);
    /// Puts the same entry, without a frame, into all pages.
    void fill(std::uint64_t start, std::uint64_t end, Entry entry);
    /// Takes all entries out, with the frames and empty tables.
    void clear(std::uint64_t start, std::uint64_t end);
    /// Drops all frames; entries become entry(old), without a frame.
    template <typename Change>
    void drop(std::uint64_t start, std::uint64_t end, Change change) {
        each(start, end, [&](Entry& slot, std::uint64_t) {
            if (has_frame(slot)) frames_.release(slot & bit::frame);
            put(slot, change(slot));
        });
    }
    /// Gives all entries to another place: both ranges of the same length, apart.
    void move(std::uint64_t start, std::uint64_t end, std::uint64_t to);
    /// Makes `child`, which is empty, the same: frames shared, written by neither.
    void fork_into(Paging& child);
    /// Makes the frame of a page, or takes the page over after a fork. The access allows writes.
    void make_writable(Entry& slot, vm::Access access);

    /// visit(slot, address) for all entries that are not zero.
    template <typename Visit>
    void each(std::uint64_t start, std::uint64_t end, Visit visit) const {
        tables(start, end, [&](Entry* table, std::uint64_t from, std::uint64_t to) {
            if (table == nullptr) return true;
            for (std::uint64_t at = from; at < to; at += page_size)
                if (Entry& slot = table[index(at, 1)]; slot != 0) visit(slot, at);
            return true;
        });
    }
    /// visit(table, start, end) for each page table's part of the range, in order, with a null
    /// table where there is none, until one says false.
    template <typename Visit>
    bool tables(std::uint64_t start, std::uint64_t end, Visit visit) const {
        return below(table_at(root_), 4, start, end, visit);
    }
    /// The same, from the range's end on.
    template <typename Visit>
    bool tables_down(std::uint64_t start, std::uint64_t end, Visit visit) const {
        return below_down(table_at(root_), 4, start, end, visit);
    }

    static constexpr unsigned shift(unsigned level) { return page_bits + 9 * (level - 1); }
    static constexpr unsigned index(std::uint64_t address, unsigned level) {
        return static_cast<unsigned>(address >> shift(level)) & 511;
    }

private:
    Entry* table_at(std::uint64_t frame) const {
        return static_cast<Entry*>(frames_.memory(frame));
    }
    std::uint64_t frame_of(const Entry* table) const {
        return static_cast<std::uint64_t>(reinterpret_cast<const std::byte*>(table) -
                                          static_cast<const std::byte*>(frames_.memory(0)));
    }
    template <typename Visit>
    bool below(Entry* table, unsigned level, std::uint64_t start, std::uint64_t end,
               Visit& visit) const {
        if (level == 1) return visit(table, start, end);
        for (std::uint64_t at = start; at < end;) {
            const std::uint64_t next = ((at >> shift(level)) + 1) << shift(level);
            const std::uint64_t stop = next < end ? next : end;
            const Entry entry = table[index(at, level)];
            const bool more = entry == 0
                                  ? visit(static_cast<Entry*>(nullptr), at, stop)
                                  : below(table_at(entry & bit::frame), level - 1, at, stop, visit);
            if (!more) return false;
            at = stop;
        }
        return true;
    }
    template <typename Visit>
    bool below_down(Entry* table, unsigned level, std::uint64_t start, std::uint64_t end,
                    Visit& visit) const {
        if (level == 1) return visit(table, start, end);
        for (std::uint64_t at = end; start < at;) {
            const std::uint64_t first = (at - 1) >> shift(level) << shift(level);
            const std::uint64_t stop = start < first ? first : start;
            const Entry entry = table[index(at - 1, level)];
            const bool more =
                entry == 0 ? visit(static_cast<Entry*>(nullptr), stop, at)
                           : below_down(table_at(entry & bit::frame), level - 1, stop, at, visit);
            if (!more) return false;
            at = stop;
        }
        return true;
    }
    Entry* make_table(std::uint64_t address);
    bool clear_below(Entry* table, unsigned level, std::uint64_t start, std::uint64_t end);
    void fork_table(Entry* from, Entry* to, unsigned level);

    Frames& frames_;
    std::uint64_t root_;
    std::uint64_t tables_ = 1;
};

} // namespace compare
