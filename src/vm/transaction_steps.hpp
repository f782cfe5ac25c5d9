// SPDX-License-Identifier: MIT
// The steps of a transaction that are compiled where it is used: locking in one page table, looking
// at entries and changing them. Included by transaction.hpp, which says what they do.
#pragma once

#include "vm/transaction.hpp"

#include <algorithm>

namespace vm {

template <typename Surplus>
[[gnu::always_inline]] inline Result<void>
Transaction::reserve_needed(const Need& need, std::uint64_t charge, Surplus&& surplus) {
    if (const std::uint64_t pages = charge + need.charge() - need.prepaid; pages != 0) {
        if (const auto charged = space_.account_.charge({pages}); charged) [[likely]] {
            charged_ = pages;
        } else {
            const std::uint64_t spent = std::min<std::uint64_t>(pages, surplus());
            if (spent == 0) return charged;
            TRY(charge_beyond(spent, pages));
        }
    }
    if (need.tables == 0) [[likely]]
        return {};
    return make_tables(need);
}

[[gnu::always_inline]] inline void Transaction::install_around(Entry old, Entry model,
                                                               const Slot* cached, unsigned before,
                                                               unsigned behind) {
    Slot* const slot = top_.slots + top_.index_of(range_.start);
    unsigned installed = 0;
    const auto install_at = [&](Slot& here, Entry page) {
        frame_record(page.frame()).references.fetch_add(1, std::memory_order_relaxed);
        here.store(model.about_page_of(page));
        ++installed;
    };
    install_at(*slot, cached->peek());
    // Each way until something else stands there.
    const Slot* page = cached;
    for (Slot* at = slot + 1; at <= slot + behind && at->peek() == old; ++at)
        if (const Entry next = (++page)->peek(); next.present()) [[likely]]
            install_at(*at, next);
    page = cached;
    for (Slot* at = slot - 1; at >= slot - before && at->peek() == old; --at)
        if (const Entry next = (--page)->peek(); next.present()) [[likely]]
            install_at(*at, next);
    top_.descriptor->count_installed(installed, old);
    if (top_.descriptor->idle) [[unlikely]]
        note_idle(top_, model);
    applied_ = true;
}

inline Spot Transaction::spot(const TableRef& table, unsigned index, VirtRange range) {
    const VirtAddr start = table.address_of(index);
    const VirtAddr end = start + level_size(table.level);
    const VirtRange covered{std::max(start, range.start), std::min(end, range.end)};
    return {table.level, covered, covered.start == start && covered.end == end};
}

inline bool Transaction::lock_page_table(TableDescriptor* table) {
    if (table == nullptr || !table->lock.try_lock()) [[unlikely]]
        return false;
    // No lower one covers the range, and it is still the one there unless it became stale.
    if (table->stale.load(std::memory_order_relaxed)) [[unlikely]] {
        table->lock.unlock();
        return false;
    }
    top_ = {static_cast<Slot*>(direct(table->frame)), table, 1,
            VirtAddr{align_down(range_.start.value, level_size(2))}};
    return true;
}

inline Transaction::Transaction(AddressSpace& space, VirtRange range, Detach detach,
                                TableDescriptor* page_table, Sharing sharing)
    : space_(space), range_(range), detach_(detach), sharing_(sharing) {
    // A page table is the lowest table that covers all of an operation on a few pages.
    const std::uint64_t differing = range.start.value ^ (range.end.value - 1);
    if (page_table == nullptr && differing < level_size(2) - (detach == Detach::yes ? 1 : 0))
        page_table = find_page_table(space, range.start);
    if (!lock_page_table(page_table)) [[unlikely]]
        lock_all();
}

inline unsigned Transaction::alike_slots(const TableRef& table, unsigned index, unsigned end,
                                         Entry entry) {
    if (index + 1 == end) [[likely]]
        return 1;
    if (entry.empty()) return std::min(alike_from(*table.descriptor, index, true), end - index);
    return count_alike(table.slots + index, end - index, entry);
}

inline Spot Transaction::alike_spot(const TableRef& table, unsigned index, Entry entry,
                                    VirtRange range) {
    Spot where = spot(table, index, range);
    if (!where.whole) return where;
    // The last one may be covered in part.
    const auto end = static_cast<unsigned>((range.end - table.base) >> level_shift(table.level));
    where.entries = alike_slots(table, index, end, entry);
    where.range.end = table.address_of(index + where.entries);
    return where;
}

[[gnu::always_inline]] inline void Transaction::put_all(const TableRef& table, unsigned index,
                                                        Entry old, Entry now, const Spot& where) {
    if (old.has_page() || now.has_page()) {
        if (old.has_page_of(now)) return change_rights(table, index, old, now, where);
        if (where.entries == 1)
            return put(table, index, old, now, Spot{where}); // copies: for registers
    } else if (where.entries == 1) [[likely]] {
        table.slots[index].store(now);
        table.descriptor->count(index, old, now);
        freed_ |= now.empty();
        return;
    }
    put_many(table, index, old, now, Spot{where});
}

[[gnu::always_inline]] inline void Transaction::change_rights(const TableRef& table, unsigned index,
                                                              Entry old, Entry now,
                                                              const Spot& where) {
    const RightsChange change(old, now);
    if (!now.allows_all_of(old)) obligations_.owe(where.range);
    if (where.entries != 1 || (change.takes() && change.gives()))
        return change_many(table.slots + index, where.entries, change, now);
    if (change.takes()) table.slots[index].narrow(change);
    if (change.gives()) table.slots[index].widen(change);
}

inline void Transaction::note_idle(const TableRef& table, Entry latest) {
    TableDescriptor& descriptor = *table.descriptor;
    const bool idle = !latest.has_page() && descriptor.holds_only(latest, table.slots);
    if (idle != descriptor.idle) [[unlikely]]
        set_idle(table, idle, latest.is_huge());
}

inline void Transaction::finish(const TableRef& table, unsigned first, unsigned last,
                                unsigned changed) {
    if (table.level == space_.levels_) {
        mirror(space_, table, first, last);
    } else if (changed < table_entries) {
        note_idle(table, table.slots[changed].load());
    }
}

template <typename Visitor>
[[gnu::always_inline]] inline Result<void>
Transaction::look_at_pages(const TableRef& table, VirtRange range, Visitor& visitor) {
    unsigned index = table.index_of(range.start);
    const auto end = static_cast<unsigned>(index + range.pages().value);
    for (VirtRange at{range.start, range.start}; index < end; at.start = at.end) {
        const Entry entry = table.slots[index].load();
        const unsigned entries = alike_slots(table, index, end, entry);
        at.end = at.start + entries * page_size;
        TRY(visitor(entry, Spot{1, at, true, entries}));
        index += entries;
        if (index < end) seen_ = Seen::nothing;
    }
    return {};
}

template <typename Visitor>
Result<void> Transaction::look_in(const TableRef& table, VirtRange range, Visitor& visitor) {
    if (table.level == 1) return look_at_pages(table, range, visitor);
    const unsigned last = table.index_of(range.end - 1);
    for (unsigned index = table.index_of(range.start); index <= last;) {
        const Entry entry = table.slots[index].load();
        if (entry.is_table(table.level)) {
            const Spot where = spot(table, index, range);
            if (detaches(where)) {
                TRY(visitor(entry, where));
            } else {
                TRY(look_in(table.below(entry, index), where.range, visitor));
            }
            ++index;
        } else {
            const Spot where = alike_spot(table, index, entry, range);
            TRY(visitor(entry, where));
            index += where.entries;
        }
    }
    return {};
}

template <typename Splits>
void Transaction::need_in(const TableRef& table, VirtRange range, Splits& splits,
                          Need& need) const {
    if (table.level == 1) return;
    const unsigned last = table.index_of(range.end - 1);
    // Between its ends all are whole: they need no table, and what is detached nothing below.
    const bool ends_only = detach_ == Detach::yes && table.level <= leaf_level_;
    for (unsigned index = table.index_of(range.start); index <= last; ++index) {
        const Entry entry = table.slots[index].load();
        const Spot where = spot(table, index, range);
        if (where.whole && ends_only) {
            if (index < last) index = last - 1; // the last one is the next
        } else if (entry.is_table(table.level)) {
            if (!detaches(where)) need_in(table.below(entry, index), where.range, splits, need);
        } else if ((!where.whole || table.level > leaf_level_) && splits(entry)) {
            const std::uint64_t before = need.charge();
            need.tables += tables_below(table.level, where.range, need.upper);
            if (charge_of(entry, table.level) != 0) need.prepaid += need.charge() - before;
        }
    }
}

template <Transaction::Taken taken, Extent extent, typename Change>
[[gnu::always_inline]] inline void Transaction::apply_to_pages(const TableRef& table,
                                                               VirtRange range, Change& change) {
    unsigned index = table.index_of(range.start);
    const auto end = static_cast<unsigned>(index + range.pages().value);
    Entry latest{};
    bool noted = false; // whether `latest` was stored
    std::uint64_t charge = 0;
    Entry last_seen{};
    for (VirtRange at{range.start, range.start}; index < end; at.start = at.end) {
        const Entry entry = table.slots[index].load();
        unsigned entries = 1;
        if (taken == Taken::together && index + 1 != end) [[unlikely]]
            entries =
                seen_ == Seen::run_by_table ? end - index : alike_slots(table, index, end, entry);
        at.end = at.start + entries * page_size;
        const Spot where{1, at, true, entries};
        last_seen = entry;
        const Entry now = change(entry, where);
        if (now != entry) [[likely]] {
            if constexpr (extent == Extent::any)
                charge += (charge_of(now, 1) - charge_of(entry, 1)) * entries;
            put_all(table, index, entry, now, where);
            latest = now;
            noted = true;
        }
        index += entries;
    }
    if (charge != 0) {
        table.descriptor->charge += static_cast<std::uint16_t>(charge);
        if (latest.intent().noreserve) table.descriptor->unpromised = true;
    }
    if (noted && (table.descriptor->idle || table.descriptor->may_hold_only(latest))) [[unlikely]]
        note_idle(table, latest);
    // The pages of a block were all huge before, whatever the change was.
    if (last_seen.is_huge()) [[unlikely]]
        note_block(table);
}

template <Transaction::Taken taken, typename Splits, typename Change>
void Transaction::apply_in(const TableRef& table, VirtRange range, Splits& splits, Change& change) {
    if (table.level == 1) return apply_to_pages<taken, Extent::any>(table, range, change);
    const unsigned first = table.index_of(range.start);
    const unsigned last = table.index_of(range.end - 1);
    unsigned changed = table_entries; // the slot of the latest change
    for (unsigned index = first; index <= last; ++index) {
        const Entry entry = table.slots[index].load();
        Spot where = spot(table, index, range);
        if (entry.is_table(table.level)) {
            if (detaches(where)) {
                unlink(table, index, entry, change(Entry::absent(), where), where);
                changed = index;
                continue;
            }
            const TableRef child = table.below(entry, index);
            apply_in<taken>(child, where.range, splits, change);
            if (folds(child, where)) {
                fold_below(table, index, entry, where);
                changed = index;
            }
        } else if (where.whole && table.level <= leaf_level_) {
            if (taken == Taken::together) where = alike_spot(table, index, entry, range);
            const Entry now = change(entry, where);
            if (now != entry) {
                put_all(table, index, entry, now, where);
                changed = index;
            }
            index += where.entries - 1;
        } else if (splits(entry)) {
            const TableRef child = split(table, index, entry);
            if (entry.is_parked()) seen_ = Seen::nothing; // its pages are not alike: is_alike
            changed = index;
            apply_in<taken>(child, where.range, splits, change);
        }
    }
    finish(table, first, last, changed);
}

[[gnu::always_inline]] inline std::uint64_t Transaction::finish_locked(std::uint64_t released,
                                                                       Freeing freeing) {
    require(applied_ && reserved_[0] == nullptr && reserved_[1] == nullptr,
            "a transaction reserved more than it used");
    // Under the locks: who maps the range next must not meet translations of what was there.
    if (obligations_.owes()) obligations_.flush(space_);
    const bool early = freeing == Freeing::under_locks || freeing_ == Freeing::under_locks;
    if (early && obligations_.any()) released += obligations_.release(space_);
    return released;
}

[[gnu::always_inline]] inline void Transaction::finish_unlocked(std::uint64_t released) {
    if (obligations_.any()) released += obligations_.release(space_);
    released -= kept_;
    if (released != 0) space_.account_.release({released});
}

} // namespace vm
