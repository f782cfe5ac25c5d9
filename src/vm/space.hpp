// SPDX-License-Identifier: MIT
// AddressSpace: what a process's memory is. It owns a paging structure, and keeps nothing beside
// it.
#pragma once

#include "abi/types.hpp"
#include "vm/commit.hpp"
#include "vm/entry.hpp"
#include "vm/lock.hpp"
#include "vm/port.hpp"
#include "vm/translations.hpp"

#include <optional>
#include <span>

namespace vm {

struct TableDescriptor;
class MemoryObject;
class IdTable;
struct AttachmentKey;
struct MissingPage;
struct ObjectPlace;
struct CachedPages;
class ObjectUser;
class QuotaRef;
struct TransferPlan;
class Transaction;
class CallbackAnswer;

/// Where a new mapping goes.
enum class Placement : std::uint8_t {
    first_fit, ///< the lowest free range at or above `address`
    last_fit,  ///< the highest free range that ends at or below `address` (0: the space's end)
    fixed,     ///< exactly there; already_mapped if anything is
    replace,   ///< exactly there, over anything
};

/// In bytes: where nothing is asked for, large mappings start where large entries can.
constexpr std::uint64_t natural_alignment(PageCount pages, bool huge) {
    if (pages.value >= level_pages(3)) return level_size(3);
    return huge || pages.value >= level_pages(2) ? level_size(2) : page_size;
}

/// Ids of callback entries: see callbacks.def.
inline constexpr Id callback_guard{1};
inline constexpr Id callback_stack_growth{2};
inline constexpr Id callback_heap_growth{3};
inline constexpr Id callback_watch{4};

/// Whether a mapping is one that grows when it is touched, and which way.
enum class Growth : std::uint8_t {
    none,
    down, ///< from its end, as a stack does
    up,   ///< from its beginning, as a heap does
};

/// What `map` is asked for.
struct MapRequest {
    VirtAddr address{};
    PageCount pages{};
    /// Bytes, a power of two; 0: by size (1 GiB, 2 MiB, 4 KiB), at least 2 MiB if huge.
    std::uint64_t alignment = 0;
    Placement placement = Placement::first_fit;
    Access access = Access::read_write();
    Ceiling ceiling = Ceiling::all();
    bool noreserve = false;
    bool guard = false; ///< callback entries, which give no access unless they grow
    bool huge = false;  ///< in pages of 2 MiB, where they fit and there are blocks of that size
    /// Of a guard that grows: nothing is promised or charged before it is touched, and then all
    /// from there to what was given already; the last page is never given. At least 2 pages, with
    /// rights.
    Growth growth = Growth::none;
    /// For first_fit: where to look before anywhere else at or above `address`.
    VirtRange arena{};
};

/// Memory that belongs to somebody else, mapped by its physical address ("don't free me").
struct WindowRequest {
    PhysAddr frames{}; ///< first byte, page-aligned
    VirtAddr address{};
    PageCount pages{};
    Placement placement = Placement::first_fit;
    Access access = Access::read();
    MemoryType type = MemoryType::write_back;
};

/// A part of a memory object to be mapped.
struct ObjectRequest {
    MemoryObject* object = nullptr;
    std::uint64_t first_page = 0; ///< of the object
    VirtAddr address{};
    PageCount pages{};
    Placement placement = Placement::first_fit;
    Access access = Access::read();
    Ceiling ceiling = Ceiling::all();
    /// What is written is the space's own: a copy. Else all who map it so see it.
    bool is_private = false;
    bool noreserve = false; ///< private: copies are not charged until they are made
    VirtRange arena{};      ///< as in MapRequest
};

/// Memory that is to be given to a space, this or another one.
struct TransferRequest {
    VirtRange from{};
    VirtAddr address{};
    Placement placement = Placement::first_fit;
    /// Rights beyond these are cut off.
    Ceiling most = Ceiling::all();
    VirtRange arena{}; ///< as in MapRequest
};

/// What an access wants, as the processor's error code tells it (SDM 4.7).
struct FaultAccess {
    bool write = false;
    bool execute = false;
};

/// How `resolve` ended.
enum class Resolution : std::uint8_t {
    resolved,   ///< restart the instruction
    hole,       ///< nothing is mapped there
    forbidden,  ///< mapped, but not for this access
    no_memory,  ///< uncharged memory, and none left
    over_quota, ///< uncharged memory, and a quota is used up
    beyond_end, ///< the object that is mapped there has no such page
    needs_page, ///< its pager has the page: supply it (see `missing_page`), and try again
    watched,    ///< its process wants to be told, once: see `tell`
};

class AddressSpace {
public:
    AddressSpace() = default;
    AddressSpace(const AddressSpace&) = delete;
    AddressSpace& operator=(const AddressSpace&) = delete;

    /// Builds a fresh user space (the lower half, without its first page-table page's first 64 KiB)
    /// that shares the kernel's half. Error: no_memory.
    Result<void> create();
    /// Makes this the kernel's own space over an existing root (its upper half, from the entries
    /// made at boot); `range` is what map without an address searches. Called once.
    /// Tables above the range's level must exist or will be made in the given root.
    Result<void> adopt_kernel(PhysAddr root, unsigned levels, VirtRange range);
    /// Makes `child`, which is as before `create`, a copy of this space as it is now: page tables
    /// are shared, and copied when one of the two writes. It counts against the same quotas.
    /// Whoever runs this space sees no difference. Errors: no_memory, limit_reached; then `child`
    /// is as before.
    Result<void> fork_into(AddressSpace& child);
    /// Takes everything out and gives the paging structure back. No CPU runs in it any more.
    /// Never needs memory.
    void destroy();

    /// Maps lazy memory. Gives the address. Errors: invalid_argument (alignment, empty, wrapped,
    /// outside), already_mapped, no_space, no_memory. All of it happens or none.
    Result<VirtAddr> map(const MapRequest& request);
    /// Maps frames that are not this space's own, present at once.
    Result<VirtAddr> map_window(const WindowRequest& request);
    /// Maps the clock page there, read-only: see clock_page.hpp. Errors: invalid_argument,
    /// already_mapped, unsupported (there is none), no_memory.
    Result<void> map_clock(VirtAddr at);
    /// Maps a part of an object; pages come at the first touch. The part may go beyond the object's
    /// end. Errors: as map; not_permitted (beyond the ceiling, or shared and beyond what the object
    /// allows), unsupported (the kernel's own space), limit_reached (too many attachments).
    Result<VirtAddr> map_object(const ObjectRequest& request);
    /// After `needs_page`: the object, and the index of the page. None if the map has changed.
    /// Needs missing_page.hpp.
    std::optional<MissingPage> missing_page(VirtAddr address);
    /// For fork: `child`, which has no ids, gets those of this space. Before its entries are
    /// copied. Errors: no_memory, limit_reached.
    Result<void> share_ids(AddressSpace& child);
    /// Finds attachments that no entry refers to any more, and gives them up, with their references
    /// to objects. True if there were some. Without locks of rank `table` or above.
    bool sweep_ids();

    /// Continues the mapping that ends at `address` upwards, or the one that begins there
    /// downwards, by `pages` of the same kind: rights, ceiling, promise. Gives the first address of
    /// the new part. Errors: invalid_argument, not_mapped (no mapping ends, or begins, there),
    /// unsupported (a window), no_space (something is in the way: see `nearest`),
    /// no_memory.
    Result<VirtAddr> grow(VirtAddr address, PageCount pages, abi::Direction direction);
    /// Moves the entries of a range, whatever their states, to another place: no page is copied.
    /// Gives the new address. The two ranges don't overlap. Errors: invalid_argument, not_mapped (a
    /// hole in the range), already_mapped, no_space, no_memory, limit_reached, unsupported (the
    /// kernel's own space), not_permitted (a device window left without rights). All of it happens
    /// or none.
    Result<VirtAddr> remap(const TransferRequest& request) { return move_to(*this, request); }
    /// Makes a range one of `pages` pages: more, of the kind of its last one, or fewer. It stays
    /// where it is if it can; unless a place is given, which may be its own.
    Result<VirtAddr> remap(const TransferRequest& request, PageCount pages);
    /// Moves them to another space. When it returns, no CPU can use them here any more; before
    /// that, nobody can there. Neither space ends meanwhile. Errors: as above.
    Result<VirtAddr> move_to(AddressSpace& target, const TransferRequest& request);
    /// Lets another space have the same memory: what either writes, both see. Memory of the space's
    /// own becomes an object first, charged to `quota`, whether or not all of it was promised. Of a
    /// private mapping of an object the other one gets a copy, as by fork. Errors: as above; what
    /// became an object stays one.
    Result<VirtAddr> share_with(AddressSpace& target, const TransferRequest& request,
                                const QuotaRef& quota);

    /// Takes the range out; holes in it are skipped. Errors: invalid_argument, no_memory (a split
    /// of a large entry needs a table).
    Result<void> unmap(VirtRange range);
    /// Changes rights. Errors: invalid_argument, not_mapped (a hole in the range), not_permitted
    /// (beyond the ceiling), no_memory (charge).
    Result<void> protect(VirtRange range, Access access);
    /// Like `protect`, and has the first access to each page end with `watched`, once. For memory
    /// that was not touched since it was mapped or discarded; `protect` ends it. Errors: as
    /// protect; invalid_argument (no rights), unsupported (anything else in the range).
    Result<void> watch(VirtRange range, Access access);
    /// Drops the pages and keeps the range: memory is zeros again, and an object's pages are read
    /// from it again. Errors: invalid_argument, not_mapped, no_memory.
    Result<void> discard(VirtRange range);
    /// Gives every lazy page of the range its own zeroed frame of 4 KiB, whatever the access says.
    /// Errors: as protect. What it made before an error stays.
    Result<void> populate(VirtRange range);

    /// Keeps it from ending, for a while. The caller found it where who ends it takes it out first.
    void keep() { kept_.fetch_add(1); }
    void let_go() { kept_.fetch_sub(1); }
    /// It is about to end: returns when nobody keeps it any more.
    void wait_until_let_go() const {
        while (kept_.load() != 0) port::spin_wait();
    }

    /// The entry that decides about an address, and its level.
    struct Located {
        Entry entry;
        Level level;
    };

    /// A fault at `address` (any byte). Takes table locks only. When it is not resolved, `refused`
    /// becomes the entry that was in the way; outside the space it stays as it is.
    Resolution resolve(VirtAddr address, FaultAccess access, Located& refused);
    Resolution resolve(VirtAddr address, FaultAccess access) {
        Located refused{};
        return resolve(address, access, refused);
    }

    /// After `watched`, before the process is told: the page is from then on what it was before it
    /// was watched. `watched`: done, and nobody else is told of it. `resolved`: it is something
    /// else by now, so the access is tried again. Else as `resolve`.
    Resolution tell(VirtAddr address, FaultAccess access, Located& refused);

    /// The frame behind a page that the caller populated or that is present: for the kernel's own
    /// writes through the direct map. Error: not_mapped.
    Result<PhysAddr> frame_of(VirtAddr address) const;

    /// Runs of equal state at or above `from`, holes left out. Gives the number written.
    std::size_t query(VirtAddr from, std::span<abi::Run> runs) const;
    /// up: the first run whose end lies above `address`; down: the last run that begins below it.
    std::optional<abi::Run> nearest(VirtAddr address, abi::Direction direction) const;
    /// The lowest free range of `pages` at or above `from`, aligned (bytes, power of two).
    /// Error: no_space. Makes no table, reads no absent one.
    Result<VirtAddr> first_fit(PageCount pages, std::uint64_t alignment, VirtAddr from) const {
        return find_free(pages, alignment, {from, range_.end}, abi::Direction::up);
    }
    /// The same for the highest one that ends at or below `to`.
    Result<VirtAddr> last_fit(PageCount pages, std::uint64_t alignment, VirtAddr to) const {
        return find_free(pages, alignment, {range_.start, to}, abi::Direction::down);
    }
    /// The lowest (up) or highest (down) one within any range.
    Result<VirtAddr> find_free(PageCount pages, std::uint64_t alignment, VirtRange within,
                               abi::Direction direction) const;
    Located locate(VirtAddr address) const;
    /// Puts one entry, not present, in the place of each graft that maps some of a range, as before
    /// it was read. Called with no lock held.
    void ungraft_all(VirtRange range);

    PhysAddr root() const { return root_; }
    /// The root that user mode runs on: the same, or its mirror (port::mirrored_roots).
    PhysAddr user_root() const { return root() + (port::mirrored_roots() ? page_size : 0); }
    unsigned levels() const { return levels_; }
    bool is_kernel() const { return kernel_; }
    VirtRange range() const { return range_; }
    /// Who may hold translations of it. Beside the map: for the machine and for Visit.
    Translations& translations() const { return translations_; }
    Account& account() { return account_; }
    const Account& account() const { return account_; }
    /// What the ids in its entries stand for; null as long as there were none. Looked into without
    /// a lock by a CPU in `translations().running`, until its next wait.
    const IdTable* ids() const { return ids_.load(std::memory_order_acquire); }

    /// For `free`, `ps` and tests: summed up from the tables' descriptors, so that no count is kept
    /// that all CPUs would write. Exact while nobody changes the space. The caller is in
    /// `translations().running`.
    struct Counts {
        std::uint64_t anonymous = 0;    ///< private frames held
        std::uint64_t tables = 0;       ///< pages of the paging structure, the root included
        std::uint64_t table_charge = 0; ///< pages that the tables are charged for
        std::uint64_t reclaimable = 0;  ///< of the tables, those that one entry could stand for
        /// Page tables that it has, but not alone: since a fork, or an object's.
        std::uint64_t shared_tables = 0;

        Counts& operator+=(const Counts& more) {
            anonymous += more.anonymous;
            tables += more.tables;
            table_charge += more.table_charge;
            reclaimable += more.reclaimable;
            shared_tables += more.shared_tables;
            return *this;
        }
    };
    Counts counts() const;

private:
    friend class Transaction;
    friend class IdTable;
    friend class ObjectUser;
    friend class MemoryObject;
    friend class Transfer;
    friend const char* validate(const AddressSpace& space, bool exact);
    friend void settle_promises(const AddressSpace& space);

    /// Gives the paging structure back, and the charge of all that it held.
    std::uint64_t take_apart();
    /// Pages that a user root is charged for.
    static std::uint64_t root_charge();
    /// First address of the root table's span.
    VirtAddr top_base() const {
        return VirtAddr{align_down(range_.start.value, level_size(levels_ + 1))};
    }
    Result<void> check(VirtRange range) const {
        const std::uint64_t unaligned = (range.start.value | range.end.value) % page_size;
        if (unaligned != 0 || range.empty() || range.start < range_.start || range_.end < range.end)
            [[unlikely]]
            return Error::invalid_argument;
        return {};
    }
    /// `page_table`: in which the range lies, if a search just found it; else null.
    Result<void> place(VirtRange range, Entry entry, bool replace, TableDescriptor* page_table);
    /// Maps up to 64 pages by first fit, if the quick way finds a hole. Errors: no_space if not,
    /// already_mapped if somebody else took it, no_memory.
    Result<VirtAddr> map_few(const MapRequest& request, Entry entry);
    /// A hole for what is asked, within the arena first.
    Result<VirtAddr> hole_for(const MapRequest& request, std::uint64_t alignment) const;
    /// Has place(VirtAddr) -> Result<void> put something into a hole for what is asked: into
    /// another one where somebody else took it since. Gives the address.
    template <typename Place>
    Result<VirtAddr> place_in_hole(const MapRequest& request, std::uint64_t alignment,
                                   Place place) const {
        for (;;) {
            const VirtAddr at = TRY(hole_for(request, alignment));
            const auto placed = place(at);
            if (placed) return at;
            if (placed.error() != Error::already_mapped) return placed.error();
        }
    }
    Result<void> place_window(const WindowRequest& request, VirtAddr at);
    /// Folds the idle tables above a range's ends, after a change of it that left too many.
    /// Without locks.
    void fold_ends(VirtRange range) {
        fold_above(range.start);
        fold_above(range.end - 1);
    }
    void fold_above(VirtAddr address);
    /// Who needs a page's frame, and what else may come with it.
    enum class Touch : std::uint8_t {
        any_size, ///< an access: the page, or the block of 2 MiB in which it lies
        one_page, ///< an access, after there was no block
        populate, ///< no access: whatever the rights say
    };
    /// Makes one page's frame as the touch needs it.
    Resolution resolve_page(VirtAddr page, FaultAccess access, Touch touch, Located& refused);
    /// An access to a page for which `old`, an object's entry, stands in the page table that is
    /// locked, if the object has the page and there is nothing to wait for. Else false, and nothing
    /// is done.
    bool resolve_cached(Transaction& transaction, VirtAddr page, Entry old, FaultAccess wanted);
    /// Of that: a copy of the page, which is promised.
    static bool install_copy(Transaction& transaction, Entry old, MemoryObject& object,
                             std::uint64_t index);
    /// The same for a page that an object has, or a private copy of it. Takes no lock before it has
    /// the page.
    Resolution resolve_object(VirtAddr page, FaultAccess access, Touch touch, Located& refused);
    /// A write to a present page of an object: a private mapping gets a copy, and a shared one the
    /// right to write back.
    Resolution write_object_page(VirtAddr page, Touch touch, Located& refused);
    /// The same for a page behind a callback entry. Without locks.
    Resolution resolve_callback(VirtAddr page, FaultAccess access, Located& refused);
    /// Puts an answer into the map where `old` stands. False, and nothing happened, if anything
    /// else stands in its range by now. Errors: no_memory, limit_reached.
    Result<bool> install_answer(Entry old, const CallbackAnswer& answer);
    /// The id of an attachment that is there already, or is made. The caller puts entries with it
    /// into the map while it counts in `attaching_`. Errors: no_memory, limit_reached.
    Result<Id> attach(MemoryObject& object, const AttachmentKey& key);
    Result<void> place_object(const ObjectRequest& request, VirtAddr at);
    /// `discard` where pages of objects are in the range.
    Result<void> discard_objects(VirtRange range);
    /// What stands for the pages of an object in an entry at `level` that maps an address, or for
    /// its private copy, once they are not present.
    Entry without_object_page(Entry entry, Level level, VirtAddr address);
    /// The page of an object for which an entry stands, read without a lock: not present, or a
    /// graft. None for any other, or if nothing like that is attached any more. Takes ids rank.
    std::optional<ObjectPlace> find_object(const Located& at, VirtAddr page);
    /// Whether a page table of the object's may stand where an entry does that names it.
    static bool can_graft(const Located& at, const ObjectPlace& place);
    /// Lets it stand there. Errors: not_found (anything else stands where `old` did, or there is no
    /// such table), would_block (pages of it are leaving), no_memory, limit_reached.
    Result<void> graft(VirtAddr page, Entry old, const ObjectPlace& place);
    /// The same for the graft that maps an address, if there is one.
    void ungraft(VirtAddr address);
    bool sweep_locked(IdTable& table);
    /// What more of the same is, behind an entry at an address, under its table's lock. Errors:
    /// not_mapped, unsupported (a window).
    Result<Entry> continuation(Entry entry, Level level, VirtAddr address);
    /// A place in this space for what comes from another one, of so many pages there, and its way.
    /// `quota`: it is shared.
    Result<VirtAddr> receive(AddressSpace& from, const TransferRequest& request, PageCount pages,
                             const QuotaRef* quota);
    static Result<void> transfer(const TransferPlan& plan);
    /// Gives the memory of its own in a range to a new object, if there is any. Errors: no_memory,
    /// limit_reached.
    Result<void> make_object_of(VirtRange range, const QuotaRef& quota);
    /// Gives it to an object of as many pages. Errors: would_block (`lacking`: a ceiling for which
    /// there is no attachment; or pages are not the space's own alone), no_memory, limit_reached.
    Result<void> give_to_object(VirtRange range, MemoryObject& object, Ceiling& lacking);
    /// Gives each page of the space's own a frame that has no other user and is in no block.
    /// Whether there is memory of its own. Errors: not_mapped (a hole in the range), no_memory,
    /// limit_reached.
    Result<bool> make_pages_own(VirtRange range);
    Result<void> copy_parked(VirtAddr page);
    /// Has huge memory in pages of 4 KiB from here on, where it was touched.
    Result<void> break_blocks(VirtRange range);
    /// What is attached by this key, if anything is. Takes ids rank.
    std::optional<Id> find_id(const AttachmentKey& key);
    /// It ends: nobody finds it by an object any more.
    void leave_objects();

    // For changes of an object. Called with no lock held, while the space is kept.
    /// Whether entries hold such pages; whether some of these may be written, or were.
    bool maps_any(const CachedPages& pages) const;
    bool writes_any(const CachedPages& pages) const;
    /// Takes them out: an access asks for them again.
    void drop_cached(const CachedPages& pages);
    void drop_grafts(const CachedPages& pages);
    /// Notes which were written, and has the next write to each fault.
    void protect_cached(const CachedPages& pages);
    /// Changes page tables that hold some, one at a time: change(Transaction&).
    template <typename Change>
    void for_page_tables(const CachedPages& pages, Change change);
    void drop_ids(IdTable* table);
    /// Gives the huge memory around a page a zeroed block. False if there is none, or none wanted
    /// any more.
    bool resolve_block(VirtAddr page);

    Plain<PhysAddr> root_{};
    Plain<unsigned> levels_ = 4;
    Plain<bool> kernel_ = false;
    VirtRange range_{};
    Account account_{};
    SpinLock<Rank::ids> ids_lock_; ///< for changes of `ids_`, and of the table
    Atomic<IdTable*> ids_{nullptr};
    /// Who has an id, and is about to put entries with it into the map.
    Atomic<std::uint32_t> attaching_{0};
    Atomic<std::uint32_t> kept_{0};
    Atomic<bool> being_made_{false};           ///< a child, for changes of objects: they wait
    Plain<AddressSpace*> next_user_ = nullptr; ///< of the same id table, under its lock
    Plain<AddressSpace*> previous_user_ = nullptr;
    mutable Translations translations_;
};

/// The state of an entry at `level`, as `query` names it.
abi::State state_of(Entry entry, Level level);

/// The kernel's own address space. Its upper half stands in every user root.
AddressSpace& kernel_space();

/// User addresses: from 64 KiB (so that null pointers with offsets fault) to the lower half's last
/// page (which stays empty: a syscall at its end would return to a non-canonical address).
inline constexpr VirtRange user_range{VirtAddr{0x10000}, VirtAddr{0x00007ffffffff000}};

} // namespace vm
