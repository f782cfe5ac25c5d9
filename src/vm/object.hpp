// SPDX-License-Identifier: MIT
// MemoryObject: memory that has an identity of its own, so that several spaces can map it: shared
// memory, a file. Its resident pages stand in a paging structure like a space's, indexed by offset:
//
//   root ──► table, level 2        an entry speaks for all pages below it:
//             ├─ table, level 1      leaf       resident: a frame of kind `cache`
//             │   ├─ leaf            uncached   not here: zeros on demand, or the pager has it
//             │   ├─ uncached
//             │   └─ lazy       being made: filled with zeros
//             └─ uncached            no list and no tree of ranges beside it
//
// A cached frame counts who refers to it: the object, each present (or parked) entry, and whoever
// is about to make such an entry. Its record says {number of the object, index}.
//
// A space may read through a table of level 1 as if it were its own (graft.cpp). The frame of the
// table counts that; its record says {number of the object, first index}. Pages come into such a
// table while others read through it; before one leaves it, nobody does.
#pragma once

#include "vm/commit.hpp"
#include "vm/entry.hpp"
#include "vm/fresh_frames.hpp"
#include "vm/lock.hpp"
#include "vm/quota.hpp"
#include "vm/table.hpp"

#include <optional>
#include <utility>

namespace vm {

class ObjectRef;
class AddressSpace;
struct Attachment;
struct CachedPages;

/// What is behind a page of an object that is asked for.
enum class PageState : std::uint8_t {
    held,       ///< it is resident, and the caller has a reference to its frame
    missing,    ///< the pager has it
    beyond_end, ///< there is no such page
    leaving,    ///< it is being taken out, or made: wait a little, and ask again
    no_memory,
};

class alignas(64) MemoryObject {
public:
    /// Where its pages come from.
    enum class Source : std::uint8_t {
        zeros, ///< zeroed at the first touch. All of it is charged when it is made, so that a touch
               ///< never fails
        boot,  ///< resident from the beginning, for good: memory that no zone holds
        pager, ///< `supply`; charged as it comes
    };
    /// The most pages that an object can have.
    static constexpr PageCount limit{1ULL << 36};

    /// Shared memory, charged to `quota` as long as it lives. Errors: invalid_argument (no pages,
    /// or too many), no_memory, limit_reached.
    static Result<ObjectRef> make_zeros(PageCount pages, const QuotaRef& quota);
    /// Memory that boot left in RAM outside of all zones, from `first` on. `most`: what shared
    /// mappings may allow. Errors: as above.
    static Result<ObjectRef> make_boot(PhysAddr first, PageCount pages, Ceiling most);
    /// What somebody supplies by the page. Errors: as above.
    static Result<ObjectRef> make_paged(PageCount pages, Ceiling most, const QuotaRef& quota);

    void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
    /// The last one ends it. Takes heap rank and above.
    void release() {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) end();
    }

    /// Names it for good: no other ever has the same.
    std::uint64_t number() const { return number_; }
    Source source() const { return source_; }
    PageCount pages() const { return {pages_}; }
    /// What shared mappings of it may allow.
    Ceiling most() const { return most_; }
    /// Pages that are resident.
    PageCount resident() const { return {resident_}; }

    /// The frame of a page, with a reference for the caller, to be dropped by `release_frame`.
    struct Held {
        PageState state;
        PhysAddr frame{};
    };
    /// Takes object rank and above.
    Held hold(std::uint64_t index);
    /// A pager's answer: the page, which is one frame of kind `cache`. Errors: unsupported (it has
    /// no pager), invalid_argument (beyond the end), already_mapped (it is resident), no_memory,
    /// limit_reached. Taken over only if it goes well. Takes object rank and above.
    Result<void> supply(std::uint64_t index, FreshFrames& page);

    /// Makes the tables for pages [first, end), so that `take_over` needs none. Errors: no_memory,
    /// limit_reached. Takes object rank and above.
    Result<void> make_room(std::uint64_t first, std::uint64_t end);
    /// Of memory that is charged as a whole: a private frame becomes its page, and an entry's. The
    /// reference that it had stays for who lets it go. Takes object rank.
    void take_over(std::uint64_t index, PhysAddr frame);

    /// Whether a page that was held is still to be had. Asked under the lock of the table that gets
    /// an entry for it: who takes pages out of all tables says no before.
    bool gives(std::uint64_t index) const {
        return index < pages_ && (index < leaving_first_ || leaving_end_ <= index);
    }

    // The following take table locks of all spaces that map it, one table at a time. Called with no
    // lock held; they never need memory but to become longer.

    /// Takes a page out of the cache and out of all spaces, where it is read again from the pager.
    /// Errors: unsupported (no pager), not_found (not resident), would_block (it was written since
    /// `collect_written`, or somebody is using it now, or pages are leaving already).
    Result<void> evict(std::uint64_t index);
    /// Takes up to `most` clean pages out, from where it ended the last time; gives how many.
    std::uint64_t evict_some(std::uint64_t most);
    /// Pages beyond a lower end leave all spaces, and are zeros, or the pager's, if they come
    /// again; private copies stay. Errors: invalid_argument, unsupported (boot memory), would_block
    /// (pages are leaving already), no_memory, limit_reached.
    Result<void> resize(PageCount pages);
    /// Finds out which of the pages [first, end) were written since the last time, and takes the
    /// right to write from all shared mappings until the next write, which is then found out too.
    /// Gives how many it wrote into `written`; those that have no room there are told the next
    /// time.
    std::size_t collect_written(std::uint64_t first, std::uint64_t end,
                                std::span<std::uint64_t> written);

    /// Flushes pages [first, end) in all spaces that may map them. Under the lock of a table that
    /// was changed.
    void flush_users(std::uint64_t first, std::uint64_t end);

    /// Whether a page is still in that frame, and to be had. Asked when an entry has it: if not,
    /// who takes pages out may not have found the entry. Takes object rank.
    bool has(std::uint64_t index, PhysAddr frame);

    /// The table of its cache with a page, for a space to read through, with a reference for it: no
    /// page leaves the table before that is dropped. Errors: not_found (there is none), would_block
    /// (pages of it are leaving). Takes object rank.
    Result<PhysAddr> lend_table(std::uint64_t index);
    /// Whether it would still do so. Asked when the space reads through the table: if not, who
    /// takes pages out may not have found that, and waits for the reference.
    bool lends_table(std::uint64_t index);

    /// Whether it would end with the caller's reference while processors may read through tables of
    /// its cache. If so, that is over soon.
    bool must_stay() {
        if (references_.load(std::memory_order_acquire) != 1) return false;
        const Guard guard(lock_);
        return is_read_through(0);
    }

    // Of all objects that have pagers:
    static std::uint64_t paged_count();
    /// The one that was given longest ago; none if there is none. Takes rank `users`.
    static ObjectRef next_paged();

    /// Lists an attachment, until it is taken out.
    void add(Attachment& attachment);
    void remove(Attachment& attachment);

    /// For `make_…`.
    MemoryObject(Source source, PageCount pages, Ceiling most, const QuotaRef& quota);

private:
    friend class ResidentPages;

    /// Pages of charge for `pages` pages and all tables that they need.
    static std::uint64_t charge_for(std::uint64_t pages);
    /// The level of the table that has room for so many pages.
    static Level level_for(std::uint64_t pages);
    static Result<ObjectRef> make(Source source, PageCount pages, Ceiling most,
                                  const QuotaRef& quota);
    Result<void> adopt(PhysAddr first);
    void end();
    void drop_below(Entry entry, Level level);
    /// Into the list of those with pagers, and out of it; the same under its lock.
    void enlist();
    void enlist_locked();
    void unlist();
    void unlist_locked();
    /// The resident page at which the clock stands next, if there is one.
    std::optional<std::uint64_t> next_resident();
    /// Gives a resident page's reference up.
    void drop_page(PhysAddr frame) const;

    /// Calls change(CachedPages) on each space that has entries with pages [first, end), until none
    /// has one that the change concerns.
    void change_everywhere(std::uint64_t first, std::uint64_t end,
                           bool (AddressSpace::*concerns)(const CachedPages&) const,
                           void (AddressSpace::*change)(const CachedPages&));

    // Under the lock:
    /// Pages [first, end) are taken out until `leaving_end_` is 0 again. False if some are already.
    bool begin_leaving(std::uint64_t first, std::uint64_t end);
    void take_page(Slot& slot);
    Result<void> lengthen(std::uint64_t pages);
    /// Takes out levels that an object of so many pages does not need.
    void lower_root(std::uint64_t pages);
    /// Takes all pages from `first` on out of a table; true if nothing was left, and it is freed.
    bool drop_from(Entry table, Level level, std::uint64_t first);
    void free_level(PhysAddr frame);
    /// Whether no page in the table of one leaves.
    bool lends(std::uint64_t index) const;
    /// Whether a space may read through a table with pages from `first` on.
    bool is_read_through(std::uint64_t first) const;
    /// The entry for the table of level 1 with a page; not present while a higher one speaks for
    /// it. Precondition: the page is not beyond the end.
    Entry find_table(std::uint64_t index) const;
    /// The entry of a page; null while a higher one speaks for it.
    Slot* find(std::uint64_t index) const;
    /// The same, with the tables that it takes. Errors: no_memory, limit_reached.
    Result<Slot*> make_slot(std::uint64_t index);
    /// `first`: the first page that it will have.
    Result<PhysAddr> make_level(std::uint64_t first);
    /// Puts a frame there, the reference of which becomes the object's.
    void put(Slot& slot, std::uint64_t index, PhysAddr frame);

    SpinLock<Rank::object> lock_;
    Atomic<std::uint32_t> references_{1};
    const std::uint64_t number_;
    const Source source_;
    const Ceiling most_;
    Published<std::uint64_t> pages_;
    Published<std::uint64_t> resident_;
    Published<std::uint64_t> leaving_first_;
    Published<std::uint64_t> leaving_end_;     ///< 0: none are leaving
    Plain<Attachment*> attachments_ = nullptr; ///< chained, in all id tables
    Plain<Level> level_;                       ///< of the root table, if it is one
    Plain<Entry> root_;
    Plain<std::uint64_t> charged_ = 0;          ///< pages, for itself left out
    Plain<bool> has_record_ = false;            ///< it is charged for itself
    Plain<std::uint64_t> hand_ = 0;             ///< of the clock over its pages
    Plain<MemoryObject*> next_paged_ = nullptr; ///< under the list's lock
    Plain<MemoryObject*> previous_paged_ = nullptr;
    const QuotaRef quota_;
    Account account_;
};

/// A counted reference, or none.
class ObjectRef {
public:
    constexpr ObjectRef() = default;
    explicit ObjectRef(MemoryObject& object) : object_(&object) { object.retain(); }
    /// Takes a reference over that the caller holds.
    static ObjectRef adopt(MemoryObject& object) {
        ObjectRef reference;
        reference.object_ = &object;
        return reference;
    }
    ObjectRef(const ObjectRef& other) : object_(other.object_) {
        if (object_ != nullptr) object_->retain();
    }
    ObjectRef(ObjectRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    ObjectRef& operator=(ObjectRef other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    /// Takes heap rank and above, for the last one.
    ~ObjectRef() {
        if (object_ != nullptr) object_->release();
    }
    explicit operator bool() const { return object_ != nullptr; }
    MemoryObject& operator*() const { return *object_; }
    MemoryObject* operator->() const { return object_; }
    MemoryObject* get() const { return object_; }

private:
    MemoryObject* object_ = nullptr;
};

} // namespace vm
