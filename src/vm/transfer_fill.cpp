// SPDX-License-Identifier: MIT
// Transfer: how entries go.
#include "vm/transfer.hpp"

namespace vm {

namespace {
/// What stands where a page was until `clear`: charged for nothing, with the page's rights for who
/// asks without locks.
constexpr Entry taken_for(Entry page) { return Entry::lazy(page.access(), {.noreserve = true}); }
} // namespace

Transfer::Place Transfer::find(VirtAddr address) {
    const bool known = page_table_.slots != nullptr &&
                       page_table_.base.value == align_down(address.value, level_size(2));
    TableRef table = known ? page_table_ : source().top_;
    for (;;) {
        const unsigned index = table.index_of(address);
        const Entry entry = table.slots[index].load();
        if (!entry.is_table(table.level)) {
            if (table.level == 1) page_table_ = table;
            return {table, index, entry};
        }
        table = table.below(entry, index);
    }
}

bool Transfer::is_block(const Place& place) const {
    if (place.table.level == 1) return false;
    return place.entry.has_page() || (block_.has_page() && block_start_ == place.start());
}

std::optional<Entry> Transfer::alike(VirtAddr there, Level level) {
    const VirtAddr from = origin_of(there);
    const VirtAddr end = from + level_size(level);
    const VirtAddr source_end = plan_.range.end;
    if (source_end <= from) return more_;
    if (source_end < end) return std::nullopt;
    const Place first = find(from);
    if (level == 1) return first.entry;
    if (first.entry.has_page() || is_block(first)) {
        const bool whole = first.table.level == level && first.start() == from;
        return whole && first.entry.has_page() ? std::optional(first.entry) : std::nullopt;
    }
    VirtAddr at = from;
    do {
        const Place place = find(at);
        if (place.entry != first.entry) return std::nullopt;
        at = place.start() + level_size(place.table.level);
    } while (at < end);
    return first.entry;
}

void Transfer::add_need(const TableRef* table, Level level, VirtRange range, Need& need) {
    const std::uint64_t size = level_size(level);
    for (VirtAddr at = range.start; at < range.end;) {
        const VirtAddr start{align_down(at.value, size)};
        const VirtRange part{at, std::min(start + size, range.end)};
        const bool whole = part.bytes() == size;
        at = part.end;
        Entry old{};
        if (table != nullptr) {
            const unsigned index = level_index(start, level);
            old = table->slots[index].load();
            if (old.is_table(level)) {
                const TableRef child = table->below(old, index);
                add_need(&child, level - 1, part, need);
                continue;
            }
        }
        if (const auto entry = whole ? alike(start, level) : std::nullopt) {
            const Entry now = there(*entry, level, origin_of(start));
            charge_ += charge_of(now, level);
            continue;
        }
        Need below{};
        below.tables = 1;
        below.upper = level > 2 ? 1 : 0;
        add_need(nullptr, level - 1, part, below);
        need.tables += below.tables;
        need.upper += below.upper;
        // What stands there leaves the charge of the tables below it to them.
        need.prepaid += charge_of(old, level) != 0 ? below.charge() : below.prepaid;
    }
}

Entry Transfer::there(Entry entry, Level level, VirtAddr address) {
    if (entry.is_not_plain()) {
        if (const auto here = key_here(plan_.from, entry, level, address)) {
            const AttachmentKey key = key_there(plan_, *here);
            const Id id = *id_of(key);
            Intent intent = entry.intent();
            intent.ceiling = key.ceiling;
            // As it is, if it is a private copy; else by its object.
            if (!entry.has_page() || entry.is_counted()) {
                return plan_.to.ids()->entry(id, key.ceiling.cut(entry.access()), intent);
            }
        }
    }
    const Entry page = entry.is_in_transit() ? entry.arrived(level) : entry;
    return plan_.most == Ceiling::all() ? page : page.limited(level, plan_.most, zero_frame());
}

Entry Transfer::take(const Place& place) {
    const Level level = place.table.level;
    const PhysAddr frame = private_frame(place.entry, level);
    if (frame.value == 0) return place.entry;
    Slot& slot = place.table.slots[place.index];
    const VirtRange range{place.start(), place.start() + level_size(level)};
    TableDescriptor& descriptor = *place.table.descriptor;
    if (!moves()) {
        frame_record(frame).references.fetch_add(1, std::memory_order_relaxed);
        if (place.entry.is_sole_page()) {
            slot.add_users();
            source().obligations_.owe(range);
        } else {
            slot.store(place.entry.with_users());
        }
        return place.entry.with_users();
    }
    Entry entry = place.entry;
    const Entry taken = taken_for(entry);
    if (entry.present()) {
        entry = slot.exchange(taken);
        source().obligations_.owe(range);
    } else {
        slot.store(taken);
    }
    const std::uint64_t charge = charge_of(entry, level);
    descriptor.frames = descriptor.frames - static_cast<std::uint32_t>(level_pages(level));
    descriptor.count(place.index, entry, taken);
    if (level == 1) descriptor.charge = static_cast<std::uint16_t>(descriptor.charge - charge);
    released_ += charge;
    return entry;
}

Entry Transfer::take_of_block(const Place& place, VirtAddr address) {
    if (place.entry.has_page()) {
        block_start_ = place.start();
        split_frames(private_frame(place.entry, place.table.level), block_order);
        block_ = take(place);
    }
    return block_.page_of_block(level_index(address, 1));
}

Entry Transfer::take_page(VirtAddr from) {
    if (plan_.range.end <= from) return there(more_, 1, from);
    const Place place = find(from);
    return there(is_block(place) ? take_of_block(place, from) : take(place), 1, from);
}

void Transfer::fill_pages(const TableRef& table, VirtRange range) {
    unsigned index = table.index_of(range.start);
    std::uint64_t charge = 0;
    Entry now{};
    for (VirtAddr at = range.start; at < range.end; at = at + page_size, ++index) {
        const Entry old = table.slots[index].load();
        now = take_page(origin_of(at));
        const std::uint64_t before = charge_of(old, 1);
        replaced_ += before;
        charge += charge_of(now, 1) - before;
        if (now != old) target().put(table, index, old, now, {1, {at, at + page_size}, true});
        if (now.has_page() && now.intent().noreserve) table.descriptor->unpromised = true;
    }
    table.descriptor->charge += static_cast<std::uint16_t>(charge);
    if (table.descriptor->idle || table.descriptor->may_hold_only(now))
        target().note_idle(table, now);
    if (now.is_huge()) target().note_block(table);
}

void Transfer::fill(const TableRef& table, VirtRange range) {
    if (table.level == 1) return fill_pages(table, range);
    const unsigned first = table.index_of(range.start);
    const unsigned last = table.index_of(range.end - 1);
    unsigned changed = table_entries;
    for (unsigned index = first; index <= last; ++index) {
        const Entry old = table.slots[index].load();
        const Spot where = Transaction::spot(table, index, range);
        if (old.is_table(table.level)) {
            const TableRef child = table.below(old, index);
            fill(child, where.range);
            // In one space what is cleared afterwards may be in a table that is not covered whole.
            if (where.whole && target().folds(child, where)) {
                target().fold_below(table, index, old, where);
                changed = index;
            }
            continue;
        }
        changed = index;
        const auto entry = where.whole ? alike(where.range.start, table.level) : std::nullopt;
        if (!entry) {
            fill(target().split(table, index, old), where.range);
            continue;
        }
        const VirtAddr from = origin_of(where.range.start);
        const Entry now = there(entry->has_page() ? take(find(from)) : *entry, table.level, from);
        replaced_ += charge_of(old, table.level);
        if (now != old) target().put(table, index, old, now, where);
    }
    target().finish(table, first, last, changed);
}

void Transfer::clear() {
    const auto mapped = [](Entry entry) { return !entry.empty(); };
    const auto empties = [&](Entry old, const Spot& where) {
        released_ += charge_of(old, where);
        return Entry::absent();
    };
    source().leaf_level_ = level_max;
    source().apply_in<Transaction::Taken::together>(source().top_, plan_.range, mapped, empties);
    source().raise_promises(plan_.range);
    source().freed_ = false;
}

} // namespace vm
