// SPDX-License-Identifier: MIT
// Transfer: locks, looks, reserves; where the entries go is in transfer_fill.cpp.
#include "vm/transfer.hpp"

#include <functional>
#include <utility>

namespace vm {

bool Transfer::is_anonymous(Entry entry, Level level) {
    const EntryKind kind = entry.kind(level);
    if (kind == EntryKind::lazy) return true;
    return (kind == EntryKind::leaf || kind == EntryKind::parked) && !entry.is_not_plain();
}

std::optional<AttachmentKey> Transfer::key_here(const AddressSpace& space, Entry entry, Level level,
                                                VirtAddr address) {
    if (entry.has_page()) {
        if (!entry.is_object_page()) return std::nullopt;
        return AttachmentKey::of_page(entry, address, page_frame(entry));
    }
    const EntryKind kind = entry.kind(level);
    if (kind != EntryKind::file && kind != EntryKind::shared) return std::nullopt;
    return space.ids()->at(entry.id()).key();
}

AttachmentKey Transfer::key_there(const TransferPlan& plan, AttachmentKey here) {
    here.base += plan.at.value - plan.range.start.value;
    here.ceiling = plan.most.cut(here.ceiling);
    return here;
}

Result<void> Transfer::attach(const TransferPlan& plan) {
    if (plan.from.ids() == nullptr) return {};
    std::optional<AttachmentKey> last;
    for (VirtAddr at = plan.range.start; at < plan.range.end;) {
        const auto [entry, level] = plan.from.locate(at);
        if (entry.is_graft(level)) {
            plan.from.ungraft(at);
            continue;
        }
        const VirtRange span = entry_span(at, level);
        at = span.end;
        if (!entry.is_not_plain()) continue;
        const auto key = key_here(plan.from, entry, level, span.start);
        if (!key || key == last) continue;
        last = key;
        ObjectRef object;
        {
            const Guard guard(plan.from.ids_lock_);
            const IdTable& ids = *plan.from.ids();
            if (const auto id = ids.find(*key)) object = ObjectRef(*ids.at(*id).object);
        }
        if (object) TRY(plan.to.attach(*object, key_there(plan, *key)));
    }
    return {};
}

Transfer::Transfer(const TransferPlan& plan) : plan_(plan) {
    if (in_one_space()) {
        lock_in_one_space();
        return;
    }
    const auto lock = [&](std::optional<Transaction>& transaction, AddressSpace& space,
                          VirtRange range) {
        transaction.emplace(space, range);
        transaction->applied_ = true; // `finish` ends it
        transaction->settle();
        return &*transaction;
    };
    if (std::less<>{}(&plan_.from, &plan_.to)) {
        source_ = lock(lower_, plan_.from, plan_.range);
        target_ = lock(upper_, plan_.to, target_range());
    } else {
        target_ = lock(lower_, plan_.to, target_range());
        source_ = lock(upper_, plan_.from, plan_.range);
    }
}

void Transfer::lock_in_one_space() {
    const VirtRange there = target_range();
    const VirtRange both{std::min(plan_.range.start, there.start),
                         std::max(plan_.range.end, there.end)};
    source_ = target_ = &lower_.emplace(plan_.from, both, Transaction::TopOnly{});
    source().applied_ = true;
    const VirtRange first = plan_.range.start < there.start ? plan_.range : there;
    const VirtRange second = plan_.range.start < there.start ? there : plan_.range;
    source().lock_below(source().top_, first);
    source().lock_part<true>(source().top_, second, first);
}

void Transfer::unlock_in_one_space() {
    Transaction& both = source();
    both.unlock_part<true>(both.top_, plan_.range, target_range());
    both.unlock_below(both.top_, target_range());
    both.top_.descriptor->lock.unlock();
}

Transfer::~Transfer() {
    source().give_back();
    target().give_back();
    finish();
}

void Transfer::finish() {
    if (in_one_space()) {
        const std::uint64_t released =
            source().finish_locked(released_ + replaced_, Freeing::after_unlock);
        unlock_in_one_space();
        source().finish_unlocked(released);
        if (source().keeps_too_many_) {
            plan_.from.fold_ends(plan_.range);
            plan_.from.fold_ends(target_range());
        }
        return;
    }
    // Promises were raised, and what the target replaced has been settled: a CPU has one list for
    // what has other users.
    source().commit_all(released_, Freeing::after_unlock);
    target().commit_all(replaced_, Freeing::after_unlock);
}

template <typename Visit>
Result<void> Transfer::for_source(const TableRef& table, VirtRange range, Visit& visit) {
    const unsigned last = table.index_of(range.end - 1);
    for (unsigned index = table.index_of(range.start); index <= last; ++index) {
        const Place place{table, index, table.slots[index].load()};
        const VirtRange within = Transaction::spot(table, index, range).range;
        if (place.entry.is_table(table.level)) {
            TRY(for_source(table.below(place.entry, index), within, visit));
        } else {
            TRY(visit(place, within));
        }
    }
    return {};
}

std::optional<Id> Transfer::id_of(const AttachmentKey& key) {
    if (last_id_.value != 0 && key == last_key_) return last_id_;
    const auto id = plan_.to.find_id(key);
    if (id) {
        last_key_ = key;
        last_id_ = *id;
    }
    return id;
}

Result<void> Transfer::look_at(const Place& place, VirtRange range) {
    const Entry entry = place.entry;
    const Level level = place.table.level;
    if (entry.empty()) return Error::not_mapped;
    if (entry.is_graft(level)) return Error::would_block; // it came since
    if (!moves() && is_anonymous(entry, level)) return Error::would_block;
    // Memory that is watched until its first touch would become another's, for each of the two.
    if (!moves() && entry.kind(level) == EntryKind::callback && !entry.is_not_plain())
        return Error::unsupported;
    if (entry.is_not_plain()) {
        const auto key = key_here(plan_.from, entry, level, place.start());
        if (key && !id_of(key_there(plan_, *key))) return Error::would_block;
        // A parked entry has no room for a memory type.
        if (!key && entry.present() && entry.memory_type() != MemoryType::write_back &&
            plan_.most.cut(entry.access()) == Access::none())
            return Error::not_permitted;
    }
    if (range.end == plan_.range.end && plan_.pages > plan_.range.pages())
        more_ = TRY(plan_.from.continuation(entry, level, place.start()));
    if (in_one_space())
        surplus_ += charge_of(entry, Transaction::spot(place.table, place.index, range));
    return {};
}

Result<void> Transfer::look() {
    for (const Transaction* side : {source_, target_})
        if (side->lacks_tables_) return side->lacking_;
    const auto look_here = [&](const Place& place, VirtRange range) {
        return look_at(place, range);
    };
    TRY(for_source(source().top_, plan_.range, look_here));
    const auto look_there = [&](Entry old, const Spot& where) -> Result<void> {
        if (!old.empty() && !plan_.replace) return Error::already_mapped;
        surplus_ += charge_of(old, where);
        return {};
    };
    return target().look_in(target().top_, target_range(), look_there);
}

void Transfer::split_edge(const TableRef& table, VirtRange range) {
    if (table.level == 1) return;
    const unsigned first = table.index_of(range.start);
    const unsigned last = table.index_of(range.end - 1);
    bool splits = false;
    for (unsigned index : {first, last}) {
        const Entry entry = table.slots[index].load();
        const Spot where = Transaction::spot(table, index, range);
        if (entry.is_table(table.level)) {
            split_edge(table.below(entry, index), where.range);
        } else if (!where.whole && !entry.empty()) {
            split_edge(source().split(table, index, entry), where.range);
            splits = true;
        }
        if (first == last) break;
    }
    if (splits) source().finish(table, first, last, table_entries);
}

Result<void> Transfer::split_edges(VirtRange range) {
    Need need{};
    const auto splits = [](Entry entry) { return !entry.empty(); };
    source().leaf_level_ = level_max;
    source().need_in(source().top_, range, splits, need);
    if (need.tables == 0) return {};
    TRY(source().reserve_needed(need, 0, [] { return 0U; }));
    split_edge(source().top_, range);
    source().charged_ = 0; // the tables have it
    source().seen_ = Transaction::Seen::nothing;
    return {};
}

void Transfer::send() {
    const auto sends = [&](const Place& place, VirtRange range) -> Result<void> {
        if (!place.entry.present() || private_frame(place.entry, place.table.level).value == 0)
            return {};
        place.table.slots[place.index].exchange(place.entry.in_transit());
        source().obligations_.owe(range);
        return {};
    };
    static_cast<void>(for_source(source().top_, plan_.range, sends));
    if (source().obligations_.owes()) source().obligations_.flush(plan_.from);
}

Result<void> Transfer::run() {
    TRY(look());
    if (moves()) {
        TRY(split_edges(kept_range()));
        TRY(split_edges(plan_.range));
    }
    Need need{};
    add_need(&target().top_, target().top_.level, target_range(), need);
    TRY(target().reserve_needed(need, charge_, [&] { return surplus_; }));
    target().charged_ = 0; // nothing fails from here on
    if (moves() && !in_one_space()) send();
    fill(target().top_, target_range());
    if (!in_one_space()) target().settle();
    if (moves()) clear();
    return {};
}

} // namespace vm
