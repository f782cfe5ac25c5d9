// SPDX-License-Identifier: MIT
// A space's id table: adding attachments, finding those that nothing refers to any more, and
// sharing the table with a child.
//
//   attach    there already ─► its id
//             room, and the only user ─► added
//             else ─► a table of the space's own, as large as it takes, in the old one's place
//
// Memory comes before the lock: the heap takes locks of tables. What readers without a lock may
// have in hand is freed, or used again, after a flush, as tables are.
#include "vm/ids.hpp"
#include "vm/transaction.hpp"

namespace vm {

namespace {

/// A table made in advance, and its charge, for a scope.
class FreshTable {
public:
    explicit FreshTable(Account& account) : account_(account) {}
    ~FreshTable() { give_back(); }
    FreshTable(const FreshTable&) = delete;
    FreshTable& operator=(const FreshTable&) = delete;

    Result<void> make(std::uint32_t capacity) {
        give_back();
        IdTable* const made = TRY(IdTable::make(capacity));
        if (const auto charged = account_.charge(made->charge(), Backing::kernel); !charged) {
            made->release();
            return charged.error();
        }
        table_ = made;
        return {};
    }
    bool has(std::uint32_t capacity) const {
        return table_ != nullptr && table_->capacity() >= capacity;
    }
    /// The space has it now.
    IdTable& take() { return *std::exchange(table_, nullptr); }

private:
    void give_back() {
        if (table_ == nullptr) return;
        account_.release(table_->charge(), Backing::kernel);
        std::exchange(table_, nullptr)->release();
    }
    Account& account_;
    IdTable* table_ = nullptr;
};

/// Everybody who looked into the space's tables without a lock has let go when this returns.
void wait_for_readers(AddressSpace& space) {
    const VirtAddr page = space.range().start;
    port::flush({&space, {page, page + page_size}, false});
}

/// Marks what the entries below a table refer to. Without a lock, and without waiting. Where the
/// bitmap calls 64 slots empty they are not read: who makes an entry with an id where there was
/// none counts as attaching until the bitmap says so too, and nobody does while this looks.
void mark_below(const TableRef& table, VirtRange range, IdTable& ids) {
    const unsigned last = table.index_of(range.end - 1);
    Entry last_seen; // all entries of one mapping that are not present are the same
    for (unsigned index = table.index_of(range.start); index <= last; ++index) {
        if (index % 64 == 0 && table.descriptor->free_word(index / 64) == ~std::uint64_t{0}) {
            index += 63;
            continue;
        }
        const Entry entry = table.slots[index].load();
        if (entry == last_seen) continue;
        if (!entry.has_page()) last_seen = entry;
        if (entry.empty() || (!entry.present() && !entry.is_not_plain())) continue;
        const VirtAddr start = table.address_of(index);
        if (entry.is_table(table.level)) {
            const VirtAddr end = start + level_size(table.level);
            mark_below(table.below(entry, index),
                       {std::max(start, range.start), std::min(end, range.end)}, ids);
        } else if (entry.has_page()) {
            if (entry.is_object_page())
                ids.mark(AttachmentKey::of_page(entry, start, page_frame(entry)));
        } else if (const EntryKind kind = entry.kind(table.level);
                   kind == EntryKind::file || kind == EntryKind::shared) {
            ids.mark(entry.id());
        }
    }
}

} // namespace

bool AddressSpace::sweep_locked(IdTable& table) {
    const std::uint32_t before = table.used();
    mark_below(table_at(root_, levels_, top_base()), range_, table);
    table.unlink_unmarked();
    wait_for_readers(*this);
    table.free_unlinked();
    return table.used() != before;
}

bool AddressSpace::sweep_ids() {
    const Visit visit(translations_);
    const Guard guard(ids_lock_);
    IdTable* const table = ids_.load();
    // Who has an id and no entry yet would lose it. A shared table is another space's as well.
    if (table == nullptr || table->is_shared() || attaching_.load() != 0) return false;
    return sweep_locked(*table);
}

Result<Id> AddressSpace::attach(MemoryObject& object, const AttachmentKey& key) {
    FreshTable fresh(account_);
    for (;;) {
        std::uint32_t capacity = IdTable::least_capacity;
        IdTable* replaced = nullptr;
        std::optional<Id> id;
        {
            const Guard guard(ids_lock_);
            IdTable* table = ids_.load();
            if (table != nullptr) {
                if ((id = table->find(key))) return *id;
                const bool own = !table->is_shared();
                bool room = !table->full();
                // Once: who comes back with a larger table has looked already.
                if (own && !room && attaching_.load() == 1 && !fresh.has(2 * table->capacity())) {
                    sweep_locked(*table);
                    // Half of it at least, so that not every new one takes a sweep.
                    room = table->used() <= table->capacity() / 2;
                }
                if (own && room) return table->add(object, key);
                capacity = room ? table->capacity() : 2 * table->capacity();
            }
            if (fresh.has(capacity)) {
                IdTable& made = fresh.take();
                if (table != nullptr) made.copy(*table);
                IdTable::change_user(*this, table, &made);
                id = made.add(object, key);
                ids_.store(&made);
                replaced = table;
            }
        }
        if (id) {
            if (replaced == nullptr) return *id;
            wait_for_readers(*this);
            drop_ids(replaced);
            return *id;
        }
        TRY(fresh.make(capacity));
    }
}

Result<void> AddressSpace::share_ids(AddressSpace& child) {
    const Guard guard(ids_lock_);
    IdTable* const table = ids_.load();
    if (table == nullptr) return {};
    TRY(child.account_.charge(table->charge(), Backing::kernel));
    table->retain();
    child.being_made_.store(true); // its tables are filled without their locks
    IdTable::change_user(child, nullptr, table);
    child.ids_.store(table);
    return {};
}

void AddressSpace::leave_objects() {
    if (ids() == nullptr) return;
    IdTable::change_user(*this, ids_.load(), nullptr);
    wait_until_let_go(); // who found it before is done soon
}

void AddressSpace::drop_ids(IdTable* table) {
    if (table == nullptr) return;
    account_.release(table->charge(), Backing::kernel);
    table->release();
}

} // namespace vm
