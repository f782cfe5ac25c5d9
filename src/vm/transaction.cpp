// SPDX-License-Identifier: MIT
// Transaction: locking, splitting, and the bookkeeping of every single change.
#include "vm/transaction.hpp"

#include <algorithm>
#include <utility>

namespace vm {

TableDescriptor* Transaction::find_page_table(const AddressSpace& space, VirtAddr address) {
    PhysAddr table = space.root_;
    const auto descend = [&](unsigned shift) {
        const auto* const slots = static_cast<const Slot*>(direct(table));
        const Entry entry = slots[(address.value >> shift) % table_entries].load();
        table = entry.frame();
        return entry.is_own_table();
    };
    if (space.levels_ == 5 && !descend(level_shift(5))) return nullptr;
    if (!descend(level_shift(4)) || !descend(level_shift(3)) || !descend(level_shift(2)))
        return nullptr;
    return frame_record(table).table;
}

void Transaction::lock_all() {
    lock_top();
    if (top_.level == 2) step_down();
    if (top_.level > 1) lock_below(top_, range_);
}

Transaction::Transaction(AddressSpace& space, VirtRange range, TopOnly)
    : space_(space), range_(range), detach_(Detach::no), sharing_(Sharing::ends) {
    lock_top();
    if (top_.level == 2) step_down();
}

void Transaction::lock_top() {
    const std::uint64_t first = range_.start.value;
    const std::uint64_t last = range_.end.value - 1;
    const std::uint64_t differing = first ^ last;
    // Whether `entry`, which maps 2^shift bytes, is a table that covers the range and stays.
    const auto descends = [&](Entry entry, unsigned shift) {
        return entry.is_own_table() && (detach_ == Detach::no || differing != (1ULL << shift) - 1);
    };
    for (;;) {
        PhysAddr table = space_.root_;
        unsigned shift = level_shift(space_.levels_);
        const auto slot = [&]() -> const Slot& {
            return static_cast<const Slot*>(direct(table))[(first >> shift) % table_entries];
        };
        while (shift > page_bits && differing >> shift == 0) {
            const Entry entry = slot().load();
            if (!descends(entry, shift)) break;
            table = entry.frame();
            shift -= level_bits;
        }
        TableDescriptor& descriptor = *frame_record(table).table;
        if (!descriptor.lock.try_lock()) {
            // The wait may acknowledge a flush, and the table be gone: no pointer outlives it.
            port::spin_wait();
            continue;
        }
        const bool linked_below =
            shift > page_bits && differing >> shift == 0 && descends(slot().load(), shift);
        if (!descriptor.stale.load(std::memory_order_relaxed) && !linked_below) {
            top_ = {static_cast<Slot*>(direct(table)), &descriptor, descriptor.level,
                    VirtAddr{first >> shift >> level_bits << level_bits << shift}};
            return;
        }
        descriptor.lock.unlock();
    }
}

bool Transaction::is_hole(Entry entry, Level level) {
    if (!entry.is_table(level)) return entry.empty();
    const TableRef table = table_at(entry.frame(), level - 1, VirtAddr{0});
    if (table.descriptor->live == 0) return true;
    if (table.level == 1) return false;
    for (unsigned index = 0; index < table_entries; ++index)
        if (!is_hole(table.slots[index].load(), table.level)) return false;
    return true;
}

void Transaction::leave() {
    applied_ = true; // there is nothing more to do
    const bool became_own = obligations_.any() || keeps_too_many_;
    if (became_own && obligations_.owes()) [[unlikely]]
        obligations_.flush(space_);
    if (top_.level > 1) unlock_below(top_, range_);
    top_.descriptor->lock.unlock();
    give_back();
    if (became_own) [[unlikely]]
        leave_tables();
}

void Transaction::give_back() {
    for (TableDescriptor*& reserved : reserved_) {
        while (reserved != nullptr) free_table(std::exchange(reserved, reserved->next));
    }
    if (charged_ != 0) space_.account_.release({std::exchange(charged_, 0)});
}

void Transaction::settle() {
    if (obligations_.owes()) obligations_.flush(space_);
    kept_ -= obligations_.drop_shared(space_);
}

void Transaction::leave_tables() {
    if (obligations_.any()) {
        const std::uint64_t kept = freeing_ == Freeing::under_locks ? kept_ - spent_ : kept_;
        const std::uint64_t charge = obligations_.release(space_) - kept;
        if (charge != 0) space_.account_.release({charge});
    }
    if (keeps_too_many_) space_.fold_ends(range_);
}

template <typename Visit>
void Transaction::for_tables_below(const TableRef& table, VirtRange range, Visit&& visit) {
    if (table.level == 1) return;
    const unsigned last = table.index_of(range.end - 1);
    for (unsigned index = table.index_of(range.start); index <= last;) {
        const Entry entry = table.slots[index].load();
        if (entry.is_table(table.level)) {
            if (entry.is_own_table())
                visit(table.below(entry, index), spot(table, index, range).range);
            ++index;
        } else {
            index += alike_slots(table, index, last + 1, entry);
        }
    }
}

namespace {
/// Whether a table below an entry at `level`, which begins at `base`, maps any of the range.
bool maps_any_of(VirtAddr base, Level level, VirtRange range) {
    return base < range.end && range.start < base + level_size(level);
}
} // namespace

template <bool but_some>
void Transaction::lock_part(const TableRef& table, VirtRange range, VirtRange but) {
    if (table.level == 1) return;
    const unsigned last = table.index_of(range.end - 1);
    for (unsigned index = table.index_of(range.start); index <= last;) {
        Entry entry = table.slots[index].load();
        if (!entry.is_table(table.level)) {
            index += alike_slots(table, index, last + 1, entry);
            continue;
        }
        const Spot where = spot(table, index, range);
        bool anew = !but_some || !maps_any_of(table.address_of(index), table.level, but);
        if (anew && entry.is_narrowed() && sharing_ == Sharing::ends && !detaches(where))
            [[unlikely]] {
            get_own(table, index);
            entry = table.slots[index].load();
            anew = false; // it comes locked
        }
        if (entry.is_own_table()) {
            const TableRef child = table.below(entry, index);
            if (anew) child.descriptor->lock.lock();
            lock_part<but_some>(child, where.range, but);
        }
        ++index;
    }
}

template <bool but_some>
void Transaction::unlock_part(const TableRef& table, VirtRange range, VirtRange but) {
    for_tables_below(table, range, [&](const TableRef& child, VirtRange within) {
        unlock_part<but_some>(child, within, but);
        if (!but_some || !maps_any_of(child.base, child.level + 1, but))
            child.descriptor->lock.unlock();
    });
}

template void Transaction::lock_part<false>(const TableRef&, VirtRange, VirtRange);
template void Transaction::lock_part<true>(const TableRef&, VirtRange, VirtRange);
template void Transaction::unlock_part<false>(const TableRef&, VirtRange, VirtRange);
template void Transaction::unlock_part<true>(const TableRef&, VirtRange, VirtRange);

std::uint64_t Transaction::tables_below(Level level, VirtRange range, std::uint64_t& upper) const {
    const Level child = level - 1;
    std::uint64_t tables = 1;
    if (child == 1) return tables;
    ++upper;
    const std::uint64_t size = level_size(child);
    if (child > leaf_level_) {
        for (VirtAddr at = range.start; at < range.end;) {
            const VirtAddr next = std::min(VirtAddr{align_down(at.value, size) + size}, range.end);
            tables += tables_below(child, {at, next}, upper);
            at = next;
        }
        return tables;
    }
    const VirtAddr first_end{align_down(range.start.value, size) + size};
    const VirtAddr last_start{align_down(range.end.value, size)};
    if (last_start < first_end && (range.start.value % size != 0 || range.end < first_end))
        return tables + tables_below(child, range, upper);
    if (range.start.value % size != 0)
        tables += tables_below(child, {range.start, first_end}, upper);
    if (range.end.value % size != 0) tables += tables_below(child, {last_start, range.end}, upper);
    return tables;
}

std::uint64_t Transaction::charge_below(Entry link, Level level) {
    const TableDescriptor& table = *frame_record(link.frame()).table;
    if (link.is_narrowed()) return charge_of_shared(table);
    std::uint64_t charge = table_charge(level - 1) + table.charge;
    if (level == 2) return charge;
    const auto* slots = static_cast<const Slot*>(direct(link.frame()));
    for (unsigned index = 0; index < table_entries; ++index) {
        const Entry entry = slots[index].load();
        charge += entry.is_table(level - 1) ? charge_below(entry, level - 1)
                                            : charge_of(entry, level - 1);
    }
    return charge;
}

Result<void> Transaction::charge_beyond(std::uint64_t spent, std::uint64_t pages) {
    if (pages != spent) TRY(space_.account_.charge({pages - spent}));
    charged_ = pages - spent;
    spent_ = spent;
    kept_ += spent;
    // Once it is unlocked, what came may be touched: the memory that pays for it must be free.
    freeing_ = Freeing::under_locks;
    return {};
}

Result<void> Transaction::make_tables(const Need& need) {
    for (std::uint64_t made = 0; made < need.tables; ++made) {
        const bool upper = made < need.upper;
        TableDescriptor* table = TRY(make_table(upper ? 2 : 1));
        table->next = reserved_[upper];
        reserved_[upper] = table;
    }
    return {};
}

void Transaction::put(const TableRef& table, unsigned index, Entry old, Entry now,
                      const Spot& where) {
    Slot& slot = table.slots[index];
    if (old.present()) {
        if (now.has_page_of(old)) {
            slot.restate(old, now);
        } else {
            old = slot.exchange(now);
        }
        if (!now.present() || now.frame() != old.frame() || !now.allows_all_of(old))
            obligations_.owe(where.range);
    } else {
        slot.store(now);
    }
    if (old.is_not_plain()) [[unlikely]]
        drop_object_page(old, now, where);
    const PhysAddr before = private_frame(old, where.level);
    const PhysAddr after = private_frame(now, where.level);
    if (before != after) {
        std::uint32_t frames = table.descriptor->frames;
        const auto pages = static_cast<std::uint32_t>(level_pages(where.level));
        if (before.value != 0) {
            if (old.is_cow() && has_users(before)) [[unlikely]]
                drop_shared(before);
            else
                obligations_.own_frame(before);
            frames -= pages;
        }
        if (after.value != 0) frames += pages;
        table.descriptor->frames = frames;
    }
    table.descriptor->count(index, old, now);
    freed_ = freed_ || now.empty();
}

void Transaction::drop_object_page(Entry old, Entry now, const Spot& where) {
    if (!old.has_page() || !old.is_object_page()) return;
    if (old.is_graft(where.level)) obligations_.owe_tables(where.range);
    note_written(old);
    const PhysAddr frame = held_frame(old, where.level);
    if (frame == held_frame(now, where.level)) return;
    // Who looks without a lock at which page an entry has reads the frame's record: it stays what
    // it is until that CPU has let go.
    if (old.is_parked()) obligations_.owe(where.range);
    if (old.is_counted()) drop_shared(frame);
}

namespace {
/// Calls step(Slot&) for each, in a loop that is mostly steps.
template <typename Step>
void for_each(Slot* slots, unsigned count, Step step) {
    constexpr unsigned block = 8;
    for (; count >= block; count -= block, slots += block) {
#pragma GCC unroll 8
        for (unsigned index = 0; index < block; ++index) step(slots[index]);
    }
    for (; count != 0; --count) step(*slots++);
}
} // namespace

void Transaction::put_many(const TableRef& table, unsigned index, Entry old, Entry now,
                           const Spot& where) {
    if (old.has_page() || now.has_page()) {
        require(old.present(), "pages alike for entries alike");
        const std::uint64_t bytes = level_size(table.level);
        for (VirtAddr at = where.range.start; at < where.range.end; at = at + bytes, ++index) {
            const Entry each = table.slots[index].load();
            put(table, index, each, now.about_page_of(each), {table.level, {at, at + bytes}, true});
        }
        return;
    }
    for_each(table.slots + index, where.entries, [now](Slot& slot) { slot.store(now); });
    table.descriptor->count(index, where.entries, old, now);
    freed_ = freed_ || now.empty();
}

void Transaction::change_many(Slot* slots, unsigned count, RightsChange change, Entry now) {
    if (!change.gives())
        for_each(slots, count, [&](Slot& slot) { slot.narrow(change); });
    else if (!change.takes())
        for_each(slots, count, [&](Slot& slot) { slot.widen(change); });
    else // in one store each: whoever looks without a lock sees what was, or what is
        for_each(slots, count, [&](Slot& slot) {
            const Entry old = slot.load();
            slot.restate(old, now.about_page_of(old));
        });
}

void Transaction::mirror(const AddressSpace& space, const TableRef& root, unsigned first,
                         unsigned last) {
    // The kernel's half of user roots shows what entry code needs, whatever else is mapped there.
    if (space.kernel_ || !port::mirrored_roots()) return;
    auto* const mirrored = static_cast<Slot*>(direct(space.user_root()));
    for (unsigned index = first; index <= last; ++index)
        mirrored[index].store(root.slots[index].load());
}

void Transaction::forget_graft(Entry now) {
    const unsigned index = top_.index_of(range_.start);
    const VirtRange span = entry_span(range_.start, top_.level);
    put(top_, index, top_.slots[index].load(), now, {top_.level, span, true});
    finish(top_, index, index, index);
    applied_ = true;
}

TableRef Transaction::split(const TableRef& table, unsigned index, Entry entry) {
    const Entry graft = entry.is_graft(table.level) ? entry : Entry::absent();
    if (!graft.empty())
        entry = space_.without_object_page(graft, table.level, table.address_of(index));
    TableDescriptor*& reserved = reserved_[table.level > 2];
    require(reserved != nullptr, "splitting without a reserved table");
    TableDescriptor* const made = std::exchange(reserved, reserved->next);
    made->next = nullptr;
    made->level = static_cast<std::uint8_t>(table.level - 1);
    made->longest.reset(entry.empty() ? level_pages(table.level) : 0);
    const TableRef child = table_at(made->frame, table.level - 1, table.address_of(index));
    if (entry.empty()) {
        table.descriptor->summary->raise_whole(index); // before a search can find the table
    } else if (entry.present() || entry.is_parked()) {
        require(table.level == block_level, "splitting a page of 1 GiB");
        made->fill_with_pages(child.slots, make_absent(table, index, entry));
        made->unpromised = entry.intent().noreserve;
        made->charge = table_entries; // unless others own them, which none of this size is
        if (const PhysAddr block = private_frame(entry, table.level); block.value != 0) {
            split_frames(block, block_order);
            made->frames = table_entries;
            table.descriptor->frames = table.descriptor->frames - table_entries;
        }
    } else {
        made->fill(child.slots, entry);
        if (child.level == 1)
            made->charge = static_cast<std::uint16_t>(table_entries * charge_of(entry, 1));
    }
    made->lock.lock();
    const Entry link = Entry::table(made->frame, !space_.kernel_);
    table.slots[index].store(link);
    if (!graft.empty()) {
        obligations_.owe_tables({child.base, child.base + level_size(table.level)});
        drop_shared(graft.frame());
        note_idle(child, entry); // the change may be none: it says what the entry did
        return child;
    }
    table.descriptor->count(index, entry, link);
    return child;
}

void Transaction::retire(const TableRef& table) {
    for (unsigned index = 0; table.level > 1 && index < table_entries; ++index) {
        const Entry entry = table.slots[index].load();
        if (entry.is_table(table.level) && !entry.is_narrowed()) retire(table.below(entry, index));
    }
    table.descriptor->stale.store(true, std::memory_order_relaxed);
    table.descriptor->lock.unlock();
}

void Transaction::unlink(const TableRef& table, unsigned index, Entry old, Entry now,
                         const Spot& where) {
    const TableRef child = table.below(old, index);
    const bool shared = old.is_narrowed();
    if (shared) child.descriptor->lock.lock();
    table.slots[index].exchange(now);
    table.descriptor->count(index, old, now);
    freed_ = freed_ || now.empty();
    if (shared) {
        child.descriptor->lock.unlock();
        obligations_.owe_tables(where.range);
        drop_shared(child.descriptor->frame);
    } else {
        retire(child);
        obligations_.own_table(child.descriptor, where.range);
    }
}

void Transaction::drop_shared(PhysAddr frame) {
    if (obligations_.own_shared(frame)) [[likely]]
        return;
    if (obligations_.owes()) obligations_.flush(space_);
    kept_ -= obligations_.drop_shared(space_); // given back with the rest
    static_cast<void>(obligations_.own_shared(frame));
}

void Transaction::set_idle(const TableRef& table, bool idle, bool huge) {
    TableDescriptor& descriptor = *table.descriptor;
    // One that others have too stays: who gets it back, or a copy of it, looks again.
    if (idle && descriptor.references.load(std::memory_order_acquire) != 1) return;
    descriptor.idle = idle;
    if (idle) {
        keeps_too_many_ |= keep_idle(descriptor, space_.translations_.number) ||
                           (huge && table.level < block_level);
    } else {
        forget_idle(descriptor, space_.translations_.number);
    }
}

bool Transaction::folds(const TableRef& child, const Spot& where) const {
    return child.descriptor->idle && !(space_.kernel_ && where.level == space_.levels_) &&
           (where.whole || keeps_too_many_);
}

void Transaction::fold_below(const TableRef& table, unsigned index, Entry link, const Spot& where) {
    const TableRef child = table.below(link, index);
    const Entry value = child.slots[0].load();
    if (value.present() || value.is_parked()) return fold_block(table, index, link);
    // The parent's entry is charged for what the table's were, and for the table if that is a
    // promise: then the table leaves its own charge to it.
    kept_ += charge_of(value, table.level) - table_entries * charge_of(value, child.level);
    unlink(table, index, link, value, where);
    child.descriptor->live = 0; // nothing in it is to be freed, nor its charge given back
    child.descriptor->charge = 0;
}

bool Transaction::fold() {
    const unsigned index = top_.index_of(range_.start);
    const Entry link = top_.slots[index].load();
    const Spot where = spot(top_, index, range_);
    if (!link.is_own_table() || !where.whole) return false;
    if (!top_.below(link, index).descriptor->idle) return false;
    fold_below(top_, index, link, where);
    finish(top_, index, index, index);
    applied_ = true;
    keeps_too_many_ = false; // whoever folds goes on to what became idle above
    return true;
}

void Transaction::commit_all(std::uint64_t released, Freeing freeing) {
    if (freed_) raise_promises(range_);
    released = finish_locked(released, freeing);
    if (top_.level > 1) unlock_below(top_, range_);
    top_.descriptor->lock.unlock();
    finish_unlocked(released);
    if (keeps_too_many_) [[unlikely]]
        space_.fold_ends(range_);
}

} // namespace vm
