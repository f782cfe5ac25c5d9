// SPDX-License-Identifier: MIT
// IdTable: what the ids in a space's entries stand for.
//
//   entry { id } ──► attachment { object, address of its byte 0, ceiling, private or shared }
//
// The offset follows from the address, so all entries of one mapping are the same value.
// Attachments are found by their content, never by address, and know no lengths: this is no list of
// regions. They are not counted; what no entry refers to any more is found by looking at all
// entries, when the table is full.
//
// Looking an id up takes no lock: a table that is replaced by a larger one, and an attachment whose
// id is given to another, wait until all CPUs that may look have acknowledged a flush, as tables of
// the paging structure do. Spaces may share a table as long as nobody adds to it.
#pragma once

#include "vm/object.hpp"

#include <optional>

namespace vm {

/// What an attachment is found by.
struct AttachmentKey {
    std::uint64_t object = 0; ///< its number
    std::uint64_t base = 0;   ///< address of the object's byte 0, modulo 2^64
    Ceiling ceiling{};
    bool is_private = false;
    constexpr bool operator==(const AttachmentKey&) const = default;

    /// Of the mapping to which a page belongs, by its entry and address.
    static AttachmentKey of_page(Entry entry, VirtAddr address, PhysAddr frame);
};

class IdTable;
class ObjectUser;

struct Attachment {
    Plain<MemoryObject*> object = nullptr; ///< a reference; null: the id is free
    Plain<std::uint64_t> base = 0;
    Plain<std::uint32_t> next = 0; ///< id: in the same chain of the hash, or the next free one
    Plain<Ceiling> ceiling{};
    Plain<bool> is_private = false;
    Plain<bool> in_use = false;                  ///< for `IdTable::unlink_unmarked`
    Plain<IdTable*> table = nullptr;             ///< in which it stands
    Plain<Attachment*> next_of_object = nullptr; ///< for MemoryObject, under its lock
    Plain<Attachment*> previous_of_object = nullptr;

    AttachmentKey key() const { return {object->number(), base, ceiling, is_private}; }
    /// Index of the object's page at an address.
    std::uint64_t index_of(VirtAddr address) const { return (address.value - base) >> page_bits; }
};

class IdTable {
public:
    /// Ids of attachments begin here.
    static constexpr std::uint32_t first_id = 16;
    static constexpr std::uint32_t least_capacity = 16;

    /// For `make`.
    explicit IdTable(std::uint32_t capacity) : capacity_(capacity) {}
    /// An empty one, with one user. `capacity`: a power of two. Errors: no_memory, limit_reached
    /// (no so many ids).
    static Result<IdTable*> make(std::uint32_t capacity);
    IdTable(const IdTable&) = delete;
    IdTable& operator=(const IdTable&) = delete;

    /// What its memory is charged with.
    PageCount charge() const { return charge_for(capacity_); }
    std::uint32_t capacity() const { return capacity_; }
    std::uint32_t used() const { return used_; }
    /// Precondition: an entry with this id stands in a space that uses the table, or this CPU has
    /// not waited since it did.
    const Attachment& at(Id id) const { return attachments()[id.value - first_id]; }
    std::optional<Id> find(const AttachmentKey& key) const;
    /// What stands for pages of an attachment that are not present.
    Entry entry(Id id, Access access, Intent intent) const;

    void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
    bool is_shared() const { return references_.load(std::memory_order_acquire) != 1; }
    /// Spaces that use a table are listed there, so that changes of an object find them: from one
    /// table to another one; null for none.
    static void change_user(AddressSpace& space, IdTable* from, IdTable* to);
    /// Under the lock of these lists: adds the spaces in which `concerns` holds, as far as there is
    /// room.
    void collect_users(const CachedPages& pages,
                       bool (AddressSpace::*concerns)(const CachedPages&) const,
                       std::span<ObjectUser> users, unsigned& count);
    /// The same: flushes the pages in all of them.
    void flush_users(const CachedPages& pages) const;
    /// Drops a user; the last one ends it, with its references to objects. Takes heap rank and
    /// above.
    void release();

    // By its only user, under the lock of that one's ids:

    /// Precondition: it is not full, and has no such attachment.
    Id add(MemoryObject& object, const AttachmentKey& key);
    /// Adds what another one holds, under the same ids. Precondition: empty, and large enough.
    void copy(const IdTable& other);
    bool full() const { return used_ == capacity_; }
    /// Notes that an entry refers to it.
    void mark(Id id) { attachments()[id.value - first_id].in_use = true; }
    void mark(const AttachmentKey& key);
    /// Takes what was not marked since the last time out of the hash: nobody finds it any more.
    void unlink_unmarked();
    /// Frees their ids, after a flush.
    void free_unlinked();

private:
    static constexpr std::size_t bytes_for(std::uint32_t capacity);
    static PageCount charge_for(std::uint32_t capacity);
    // Behind the table itself, in the same memory:
    Attachment* attachments() { return reinterpret_cast<Attachment*>(this + 1); }
    const Attachment* attachments() const { return reinterpret_cast<const Attachment*>(this + 1); }
    /// Beginnings of the hash's chains: ids, 0 for none.
    Plain<std::uint32_t>* chains() {
        return reinterpret_cast<Plain<std::uint32_t>*>(attachments() + capacity_);
    }
    const Plain<std::uint32_t>* chains() const {
        return reinterpret_cast<const Plain<std::uint32_t>*>(attachments() + capacity_);
    }
    std::uint32_t chain_of(const AttachmentKey& key) const;
    void link(std::uint32_t slot);
    void free_slot(std::uint32_t slot);

    const std::uint32_t capacity_;
    Plain<std::uint32_t> used_ = 0;       ///< attachments
    Plain<std::uint32_t> fresh_ = 0;      ///< slots that were ever used
    Plain<std::uint32_t> first_free_ = 0; ///< id
    Atomic<std::uint32_t> references_{1};
    Plain<AddressSpace*> first_user_ = nullptr;
};

/// Counts who has an id that no entry has yet, for a scope.
class Attaching {
public:
    explicit Attaching(Atomic<std::uint32_t>& count) : count_(count) { count_.fetch_add(1); }
    ~Attaching() { count_.fetch_sub(1); }
    Attaching(const Attaching&) = delete;
    Attaching& operator=(const Attaching&) = delete;

private:
    Atomic<std::uint32_t>& count_;
};

} // namespace vm
