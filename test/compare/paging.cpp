// SPDX-License-Identifier: MIT
#include "compare/paging.hpp"

#include <cstring>
#include <stdexcept>
#include <sys/mman.h>

namespace compare {

Frames::Frames(std::uint64_t bytes) : bytes_(bytes) {
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no memory for frames");
    memory_ = static_cast<std::byte*>(memory);
    counts_.resize(bytes >> page_bits);
}

Frames::~Frames() { munmap(memory_, bytes_); }

std::uint64_t Frames::make() {
    std::uint64_t frame = next_;
    if (free_.empty()) {
        if (next_ == bytes_) throw std::runtime_error("out of frames");
        next_ += page_size;
    } else {
        frame = free_.back();
        free_.pop_back();
    }
    std::memset(memory(frame), 0, page_size);
    count(frame) = 1;
    return frame;
}

Entry with_access(Entry entry, vm::Access access) {
    Entry made = entry & (bit::frame | bit::cow);
    made |= Entry{access.bits()} << bit::access_shift;
    if (!access.readable()) return made | bit::kept;
    made |= bit::present | bit::user;
    if (access.writable() && (entry & bit::cow) == 0) made |= bit::write;
    if (!access.executable()) made |= bit::no_execute;
    return made;
}

Paging::~Paging() {
    clear(0, 1ULL << 48);
    frames_.release(root_);
}

Entry* Paging::find(std::uint64_t address) const {
    Entry* table = table_at(root_);
    for (unsigned level = 4; level > 1; --level) {
        const Entry entry = table[index(address, level)];
        if (entry == 0) return nullptr;
        table = table_at(entry & bit::frame);
    }
    return &table[index(address, 1)];
}

/// A table's count is that of its entries that are not zero, and one.
Entry* Paging::make_table(std::uint64_t address) {
    Entry* table = table_at(root_);
    for (unsigned level = 4; level > 1; --level) {
        Entry& slot = table[index(address, level)];
        if (slot == 0) {
            put(slot, frames_.make() | bit::present | bit::write | bit::user);
            ++tables_;
        }
        table = table_at(slot & bit::frame);
    }
    return table;
}

Entry& Paging::make(std::uint64_t address) { return make_table(address)[index(address, 1)]; }

void Paging::put(Entry& slot, Entry entry) {
    const bool was = slot != 0;
    const bool is = entry != 0;
    if (was != is) {
        std::uint32_t& count = frames_.count(frame_of(&slot) & ~(page_size - 1));
        count = is ? count + 1 : count - 1;
    }
    slot = entry;
}

void Paging::fill(std::uint64_t start, std::uint64_t end, Entry entry) {
    for (std::uint64_t at = start; at < end;) {
        const std::uint64_t next = ((at >> shift(2)) + 1) << shift(2);
        const std::uint64_t stop = next < end ? next : end;
        Entry* const table = make_table(at);
        std::uint32_t fresh = 0;
        for (; at < stop; at += page_size) {
            Entry& slot = table[index(at, 1)];
            if (has_frame(slot)) frames_.release(slot & bit::frame);
            fresh += slot == 0;
            slot = entry;
        }
        frames_.count(frame_of(table)) += fresh;
    }
}

void Paging::clear(std::uint64_t start, std::uint64_t end) {
    clear_below(table_at(root_), 4, start, end);
}

/// True if nothing is left.
bool Paging::clear_below(Entry* table, unsigned level, std::uint64_t start, std::uint64_t end) {
    std::uint32_t gone = 0;
    for (std::uint64_t at = start; at < end;) {
        const std::uint64_t next = ((at >> shift(level)) + 1) << shift(level);
        const std::uint64_t stop = next < end ? next : end;
        Entry& slot = table[index(at, level)];
        if (slot != 0) {
            if (level > 1) {
                if (clear_below(table_at(slot & bit::frame), level - 1, at, stop)) {
                    frames_.release(slot & bit::frame);
                    --tables_;
                    slot = 0;
                    ++gone;
                }
            } else {
                if (has_frame(slot)) frames_.release(slot & bit::frame);
                slot = 0;
                ++gone;
            }
        }
        at = stop;
    }
    return (frames_.count(frame_of(table)) -= gone) == 1;
}

void Paging::move(std::uint64_t start, std::uint64_t end, std::uint64_t to) {
    each(start, end, [&](Entry& slot, std::uint64_t at) {
        put(make(to + (at - start)), slot);
        slot = 0;
        --frames_.count(frame_of(&slot) & ~(page_size - 1));
    });
    clear(start, end);
}

void Paging::fork_into(Paging& child) {
    fork_table(table_at(root_), child.table_at(child.root_), 4);
    child.tables_ = tables_;
}

void Paging::fork_table(Entry* from, Entry* to, unsigned level) {
    std::uint32_t live = 0;
    for (unsigned at = 0; at < 512; ++at) {
        if (from[at] == 0) continue;
        ++live;
        if (level > 1) {
            const std::uint64_t table = frames_.make();
            to[at] = table | (from[at] & ~bit::frame);
            fork_table(table_at(from[at] & bit::frame), table_at(table), level - 1);
            continue;
        }
        if (has_frame(from[at])) {
            ++frames_.count(from[at] & bit::frame);
            from[at] = (from[at] & ~bit::write) | bit::cow;
        }
        to[at] = from[at];
    }
    frames_.count(frame_of(to)) += live;
}

void Paging::make_writable(Entry& slot, vm::Access access) {
    if (!has_frame(slot)) {
        put(slot, with_access(frames_.make(), access));
        return;
    }
    if ((slot & bit::cow) == 0) return;
    const std::uint64_t old = slot & bit::frame;
    std::uint64_t frame = old;
    if (frames_.count(old) != 1) {
        frame = frames_.make();
        std::memcpy(frames_.memory(frame), frames_.memory(old), page_size);
        frames_.release(old);
    }
    slot = with_access(frame, access);
}

} // namespace compare
