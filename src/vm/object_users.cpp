// SPDX-License-Identifier: MIT
// Changes of an object's pages in all spaces that map them.
#include "vm/object_users.hpp"

#include "vm/ids.hpp"
#include "vm/transaction.hpp"

namespace vm {

bool CachedPages::has(Entry entry, Level level, VirtAddr address) const {
    if (!entry.has_page() || !entry.is_counted()) return false;
    const Frame& record = frame_record(page_frame(entry));
    const std::uint64_t index = record.index;
    return record.object == object->number() && first < index + level_pages(level) && index < end &&
           base + (index << page_bits) == address.value;
}

namespace {

/// Calls visit(VirtRange) for the addresses of the pages that lie in `within`: they may go over the
/// end of all addresses, and begin again at 0. Stops when it says true, and says so.
template <typename Visit>
bool any_piece(const CachedPages& pages, VirtRange within, Visit visit) {
    const VirtAddr start{pages.base + (pages.first << page_bits)};
    const VirtAddr end{pages.base + (pages.end << page_bits)};
    const auto piece = [&](VirtAddr from, VirtAddr to) {
        const VirtRange range{std::max(from, within.start), std::min(to, within.end)};
        return !range.empty() && visit(range);
    };
    if (start < end) return piece(start, end);
    return piece(start, within.end) || piece(within.start, end);
}

/// Whether wanted(Entry) holds for an entry below a table with one of the pages. Without a lock,
/// and without waiting.
template <typename Wanted>
bool holds_any(const TableRef& table, VirtRange range, const CachedPages& pages, Wanted wanted) {
    const unsigned last = table.index_of(range.end - 1);
    for (unsigned index = table.index_of(range.start); index <= last; ++index) {
        const Entry entry = table.slots[index].load();
        const VirtAddr start = table.address_of(index);
        if (!entry.is_table(table.level)) {
            if (pages.has(entry, table.level, start) && wanted(entry)) return true;
            continue;
        }
        const VirtAddr end = start + level_size(table.level);
        if (holds_any(table.below(entry, index),
                      {std::max(start, range.start), std::min(end, range.end)}, pages, wanted))
            return true;
    }
    return false;
}

constexpr auto always = [](Entry) { return true; };

} // namespace

bool AddressSpace::maps_any(const CachedPages& pages) const {
    const Visit visit(translations_);
    return any_piece(pages, range_, [&](VirtRange range) {
        return holds_any(table_at(root_, levels_, top_base()), range, pages, always);
    });
}

bool AddressSpace::writes_any(const CachedPages& pages) const {
    const Visit visit(translations_);
    return any_piece(pages, range_, [&](VirtRange range) {
        return holds_any(table_at(root_, levels_, top_base()), range, pages, [](Entry entry) {
            return entry.present() && !entry.is_cow() &&
                   (entry.hardware_writable() || entry.dirty());
        });
    });
}

void AddressSpace::drop_grafts(const CachedPages& pages) {
    const Visit visit(translations_);
    any_piece(pages, range_, [&](VirtRange range) {
        for (VirtAddr at = range.start; at < range.end;) {
            const auto [entry, level] = locate(at);
            const VirtRange span = entry_span(at, std::max(level, graft_level));
            if (entry.is_graft(level) && pages.has(entry, level, span.start)) ungraft(at);
            at = span.end;
        }
        return false;
    });
}

template <typename Change>
void AddressSpace::for_page_tables(const CachedPages& pages, Change change) {
    const Visit visit(translations_);
    any_piece(pages, range_, [&](VirtRange range) {
        for (VirtAddr at = range.start; at < range.end;) {
            const VirtRange part{at, std::min(entry_span(at, 2).end, range.end)};
            at = part.end;
            if (!holds_any(table_at(root_, levels_, top_base()), part, pages, always)) continue;
            // In place: the change means the same to all who have the table.
            Transaction transaction(*this, part, Detach::no, nullptr, Sharing::in_place);
            if (!transaction.in_page_table()) continue;
            change(transaction);
            if (transaction.in_shared_table()) pages.object->flush_users(pages.first, pages.end);
            transaction.commit();
        }
        return false;
    });
}

void AddressSpace::drop_cached(const CachedPages& pages) {
    drop_grafts(pages);
    constexpr auto never = [](Entry) { return false; };
    for_page_tables(pages, [&](Transaction& transaction) {
        // What they are charged for stays: private ones are promised copies still.
        const auto reserved = transaction.reserve(0, 1, never);
        require(reserved.ok(), "a page leaves the map without memory");
        transaction.apply_to_each(never, [&](Entry entry, const Spot& where) {
            if (!pages.has(entry, where.level, where.range.start)) return entry;
            return without_object_page(entry, where.level, where.range.start);
        });
    });
}

void AddressSpace::protect_cached(const CachedPages& pages) {
    for_page_tables(pages, [&](Transaction& transaction) {
        transaction.take_writes(
            [&](Entry entry, VirtAddr address) { return pages.has(entry, 1, address); });
    });
}

namespace {
/// For the lists of all id tables: one lock, so that who looks through the tables of an object's
/// attachments finds a space that changes its table in one of the two.
constinit SpinLock<Rank::users> users_lock;
} // namespace

void IdTable::change_user(AddressSpace& space, IdTable* from, IdTable* to) {
    const Guard guard(users_lock);
    if (from != nullptr) {
        AddressSpace* const next = space.next_user_;
        AddressSpace* const previous = space.previous_user_;
        if (previous != nullptr)
            previous->next_user_ = next;
        else
            from->first_user_ = next;
        if (next != nullptr) next->previous_user_ = previous;
    }
    if (to == nullptr) return;
    space.next_user_ = to->first_user_;
    space.previous_user_ = nullptr;
    if (to->first_user_ != nullptr) to->first_user_->previous_user_ = &space;
    to->first_user_ = &space;
}

void IdTable::collect_users(const CachedPages& pages,
                            bool (AddressSpace::*concerns)(const CachedPages&) const,
                            std::span<ObjectUser> users, unsigned& count) {
    for (AddressSpace* space = first_user_; space != nullptr; space = space->next_user_) {
        if (count == users.size()) return;
        if (space->being_made_.load() || (space->*concerns)(pages))
            users[count++] = ObjectUser(*space, pages);
    }
}

void MemoryObject::change_everywhere(std::uint64_t first, std::uint64_t end,
                                     bool (AddressSpace::*concerns)(const CachedPages&) const,
                                     void (AddressSpace::*change)(const CachedPages&)) {
    for (;;) {
        ObjectUser users[object_users_at_once];
        unsigned count = 0;
        {
            const Guard guard(lock_);
            const Guard all_tables(users_lock);
            for (const Attachment* at = attachments_; at != nullptr; at = at->next_of_object)
                at->table->collect_users({this, at->base, first, end}, concerns, users, count);
        }
        if (count == 0) return;
        for (const ObjectUser& user : std::span(users, count)) {
            while (user.space().being_made_.load()) port::spin_wait();
            (user.space().*change)(user.pages());
        }
    }
}

void MemoryObject::flush_users(std::uint64_t first, std::uint64_t end) {
    const Guard guard(lock_);
    const Guard all_tables(users_lock);
    for (const Attachment* at = attachments_; at != nullptr; at = at->next_of_object)
        at->table->flush_users({this, at->base, first, end});
}

void IdTable::flush_users(const CachedPages& pages) const {
    for (AddressSpace* space = first_user_; space != nullptr; space = space->next_user_)
        any_piece(pages, space->range(), [&](VirtRange range) {
            port::flush({space, range, false});
            return false;
        });
}

} // namespace vm
