// SPDX-License-Identifier: MIT
// query, nearest: the map read back from its entries, as runs of equal state.
#include "vm/charge.hpp"
#include "vm/clock_page.hpp"
#include "vm/free_runs.hpp"
#include "vm/ids.hpp"
#include "vm/space.hpp"
#include "vm/table.hpp"

#include <algorithm>

namespace vm {

namespace {

using abi::Run;
using abi::State;

} // namespace

State state_of(Entry entry, Level level) {
    switch (entry.kind(level)) {
    case EntryKind::leaf: return entry.is_shared() ? State::shared : State::present;
    case EntryKind::lazy: return State::lazy;
    case EntryKind::shared:
    case EntryKind::graft: return State::shared;
    case EntryKind::file: return State::file;
    case EntryKind::callback: return State::callback;
    case EntryKind::parked: return State::parked;
    default: return State::empty;
    }
}

namespace {

/// Which object's memory an entry is about, and where in it its first byte lies.
struct ObjectPlace {
    std::uint64_t number = 0;
    std::uint64_t offset = 0;
};
[[gnu::noinline]] ObjectPlace object_place(Entry entry, State state, VirtAddr start,
                                           const IdTable* ids) {
    if (entry.has_page()) {
        if (!entry.is_object_page()) return {};
        const Frame& record = frame_record(page_frame(entry));
        return {record.object, record.index << page_bits};
    }
    if ((state != State::file && state != State::shared) || ids == nullptr) return {};
    const Attachment& attachment = ids->at(entry.id());
    return {attachment.object->number(), start.value - attachment.base};
}

/// What an entry tells that is not about an object by Run::id.
std::uint32_t id_of(Entry entry, State state) {
    if (entry.present() || state == State::parked)
        return entry.is_shared() && page_frame(entry) == clock_frame() ? abi::clock_page_id : 0;
    return entry.id().value;
}

/// Pages that an entry of a table at `level` has frames for.
std::uint64_t present_pages(Entry entry, Level level) {
    if (!entry.is_graft(level)) return entry.has_page() ? level_pages(level) : 0;
    std::uint64_t pages = 0;
    const auto* const slots = static_cast<const Slot*>(direct(entry.frame()));
    for (unsigned index = 0; index < table_entries; ++index)
        if (slots[index].load().present()) ++pages;
    return pages;
}

/// One entry of a table at `level` as a run by itself. `ids`: what its id stands for.
Run run_of(Entry entry, Level level, VirtAddr start, const IdTable* ids) {
    const State state = state_of(entry, level);
    const bool window = entry.present() && entry.is_shared();
    if (entry.is_not_plain() && state != State::callback) {
        if (const ObjectPlace place = object_place(entry, state, start, ids); place.number != 0)
            return {.start = start.value,
                    .end = start.value + level_size(level),
                    .present = present_pages(entry, level),
                    .offset = place.offset,
                    .state = state,
                    .origin = entry.intent().origin,
                    .access = entry.access().bits(),
                    .levels = static_cast<std::uint8_t>(1U << (level - 1)),
                    .id = static_cast<std::uint32_t>(place.number)};
    }
    const bool holds_frame = entry.present() || state == State::parked;
    return {.start = start.value,
            .end = start.value + level_size(level),
            .present = holds_frame ? level_pages(level) : 0,
            .offset = window ? entry.frame().value : 0,
            .state = state,
            .origin = entry.intent().origin,
            .access = entry.access().bits(),
            .levels = static_cast<std::uint8_t>(1U << (level - 1)),
            .id = id_of(entry, state)};
}

/// Whether `next`, which follows `run`, is more of the same.
bool continues(const Run& run, const Run& next) {
    return run.end == next.start && run.state == next.state && run.origin == next.origin &&
           run.access == next.access && run.id == next.id &&
           (run.offset == next.offset && (run.id == 0 || run.state == State::callback)
                ? run.offset == 0
                : run.offset + (run.end - run.start) == next.offset);
}

void append(Run& run, const Run& next) {
    run.end = next.end;
    run.present += next.present;
    run.levels |= next.levels;
}

/// The entry that a run ended with, where the next one can be told to be more of the same without
/// another look: what is not present is so bit by bit, and a page of a space's own but for its
/// frame.
class Pattern {
public:
    bool covers(Entry entry, Level level) const {
        return level == level_ && entry_.is_alike(entry);
    }
    void set(Entry entry, Level level) {
        entry_ = entry;
        const bool plain = entry.is_sole_page() && !entry.is_not_plain();
        level_ = !entry.has_page() || plain ? level : 0;
    }
    /// Pages of one such entry that have a frame.
    std::uint64_t present() const { return entry_.has_page() ? level_pages(level_) : 0; }

private:
    Entry entry_{};
    Level level_ = 0; ///< none: no entry is of that level
};

/// Collects runs upwards from an address. `bitmaps`: all tables have them, so that holes are passed
/// over without a look at each.
class Collector {
public:
    Collector(VirtAddr from, VirtAddr end, std::span<Run> runs, const IdTable* ids, bool bitmaps)
        : from_(from), end_(end), runs_(runs), ids_(ids), bitmaps_(bitmaps) {}

    /// False once there is no room for one more run, or no more to see.
    bool visit(const TableRef& table) {
        unsigned index = table.base < from_ ? table.index_of(from_) : 0;
        for (; index < table_entries; ++index) {
            const VirtAddr start = table.address_of(index);
            if (end_ <= start) return false;
            const Entry entry = table.slots[index].load();
            if (entry.empty()) {
                if (count_ == runs_.size()) return false; // the last run has ended
                if (bitmaps_) index += free_word_above(*table.descriptor, index);
            } else if (pattern_.covers(entry, table.level) &&
                       runs_[count_ - 1].end == start.value) {
                runs_[count_ - 1].end += level_size(table.level);
                runs_[count_ - 1].present += pattern_.present();
            } else if (entry.is_table(table.level)) {
                if (!visit(table.below(entry, index))) return false;
            } else if (!add(run_of(entry, table.level, start, ids_))) {
                return false;
            } else {
                index += extend(table, entry, index + 1);
            }
        }
        return true;
    }
    std::size_t count() const { return count_; }

private:
    /// Adds what follows and is the same as `entry`, with which the last run ends; gives the
    /// number.
    unsigned extend(const TableRef& table, Entry entry, unsigned first) {
        pattern_.set(entry, table.level);
        unsigned index = first;
        while (index < table_entries && pattern_.covers(table.slots[index].load(), table.level))
            ++index;
        if (index == first) return 0;
        runs_[count_ - 1].end += (index - first) * level_size(table.level);
        runs_[count_ - 1].present += (index - first) * pattern_.present();
        return index - first;
    }
    bool add(const Run& run) {
        if (count_ != 0 && continues(runs_[count_ - 1], run)) {
            append(runs_[count_ - 1], run);
            return true;
        }
        if (count_ == runs_.size()) return false;
        runs_[count_++] = run;
        return true;
    }

    const VirtAddr from_;
    const VirtAddr end_;
    const std::span<Run> runs_;
    const IdTable* const ids_;
    const bool bitmaps_;
    std::size_t count_ = 0;
    Pattern pattern_;
};

/// Grows one run downwards from below an address.
class Descent {
public:
    Descent(VirtAddr before, const IdTable* ids, bool bitmaps)
        : before_(before), ids_(ids), bitmaps_(bitmaps) {}

    /// False once the run has ended.
    bool visit(const TableRef& table) {
        const VirtAddr last = before_ - 1;
        const bool inside = last - table.base < level_size(table.level + 1);
        for (unsigned index = inside ? table.index_of(last) + 1 : table_entries; index-- > 0;) {
            const Entry entry = table.slots[index].load();
            if (entry.empty()) {
                if (run_) return false;
                if (bitmaps_) index -= free_word_below(*table.descriptor, index);
            } else if (pattern_.covers(entry, table.level) && pattern_.present() == 0 &&
                       run_->start == table.address_of(index + 1).value) {
                run_->start -= level_size(table.level);
                if (run_->id != 0 && run_->state != State::callback)
                    run_->offset -= level_size(table.level);
            } else if (entry.is_table(table.level)) {
                if (!visit(table.below(entry, index))) return false;
            } else if (!add(run_of(entry, table.level, table.address_of(index), ids_))) {
                return false;
            } else {
                pattern_.set(entry, table.level);
            }
        }
        return true;
    }
    /// What there is from its lowest entry up to the one that begins below the address.
    const std::optional<Run>& run() const { return run_; }

private:
    bool add(Run piece) {
        if (run_) {
            if (!continues(piece, *run_)) return false;
            append(piece, *run_);
        }
        run_ = piece;
        return true;
    }

    const VirtAddr before_;
    const IdTable* const ids_;
    const bool bitmaps_;
    std::optional<Run> run_;
    Pattern pattern_;
};

} // namespace

std::size_t AddressSpace::query(VirtAddr from, std::span<Run> runs) const {
    // A user space's upper half is the kernel's; the kernel's space lists all of its half, with
    // what boot made outside of the range that it manages.
    Collector collector(from, kernel_ ? VirtAddr{~0ULL} : range_.end, runs, ids(), !kernel_);
    collector.visit(table_at(root_, levels_, top_base()));
    return collector.count();
}

std::optional<Run> AddressSpace::nearest(VirtAddr address, abi::Direction direction) const {
    // Others may change the map between two looks at it: then what the first one saw stands.
    std::optional<Run> above;
    VirtAddr before = address;
    if (direction == abi::Direction::up) {
        Run run{};
        if (query(address, {&run, 1}) == 0) return std::nullopt;
        if (address < VirtAddr{run.start}) return run; // behind a hole: it begins there
        above = run;
        before = VirtAddr{run.start + 1}; // its beginning may lie below the address
    }
    const VirtAddr limit = std::min(before, range_.end);
    if (limit <= range_.start) return std::nullopt;
    Descent descent(limit, ids(), !kernel_);
    descent.visit(table_at(root_, levels_, top_base()));
    if (!descent.run() || descent.run()->start < range_.start.value) return above;
    // The run goes on above the address too: read it whole from its beginning.
    Run whole{};
    const VirtAddr start{descent.run()->start};
    const bool same = query(start, {&whole, 1}) == 1 && whole.start == start.value;
    const Run found = same ? whole : *descent.run();
    return above && found.end <= address.value ? above : found;
}

} // namespace vm
