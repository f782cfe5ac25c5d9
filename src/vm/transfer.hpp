// SPDX-License-Identifier: MIT
// Transfer: what one range of memory is becomes, or also is, what another range is, in the same
// space or another one. The entries go, not the bytes.
//
//   lock      both ranges' tables: in one space from the lowest table above both; of two spaces
//             all of the one's before the other's, by the spaces' addresses
//   look      at each entry that goes, and at where it goes: until here nothing changed
//   reserve   tables and charge for where it goes
//   to another space: pages go in transit, not present, and are flushed, so that nobody has them
//             here any more when somebody has them there
//   fill      where it goes, entry by entry
//   clear     where it was
//
// An object's page goes as the entry that asks the object for it: so who takes pages out of all
// spaces never has to look for one that is on its way.
#pragma once

#include "vm/ids.hpp"
#include "vm/transaction.hpp"

#include <optional>

namespace vm {

struct TransferPlan {
    AddressSpace& from;
    VirtRange range; ///< in `from`
    AddressSpace& to;
    VirtAddr at;     ///< in `to`, for the range's start
    PageCount pages; ///< there: all, or in one space more, of the last one's kind, or fewer
    Ceiling most;
    bool replace; ///< whatever is mapped there
    /// It is shared, and what becomes an object charged there; null: it moves.
    const QuotaRef* shared_by;
};

class Transfer {
public:
    explicit Transfer(const TransferPlan& plan);
    ~Transfer();
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    /// Does it. Errors: would_block (something has to be made first: an attachment, or an object;
    /// then try again), and those of AddressSpace::move_to.
    Result<void> run();

    /// Has attachments made in the target for what the range says of objects. Without locks: what
    /// changes meanwhile, `run` sees. The caller counts in the target's `attaching_`. Errors:
    /// no_memory, limit_reached.
    static Result<void> attach(const TransferPlan& plan);

    /// Whether an entry is memory of a space's own, which no object has: lazy, or a page.
    static bool is_anonymous(Entry entry, Level level);

private:
    /// An entry where it stands.
    struct Place {
        TableRef table;
        unsigned index;
        Entry entry;
        VirtAddr start() const { return table.address_of(index); }
    };
    using Need = Transaction::Need;

    /// What an entry is about: the object by an id, or by a page's record.
    static std::optional<AttachmentKey> key_here(const AddressSpace& space, Entry entry,
                                                 Level level, VirtAddr address);
    /// What that is called where it goes.
    static AttachmentKey key_there(const TransferPlan& plan, AttachmentKey here);

    bool in_one_space() const { return &plan_.from == &plan_.to; }
    bool moves() const { return plan_.shared_by == nullptr; }
    Transaction& source() { return *source_; }
    Transaction& target() { return *target_; }
    VirtRange target_range() const { return {plan_.at, plan_.at + plan_.pages.bytes()}; }
    /// What of the range goes: the rest is cleared.
    VirtRange kept_range() const {
        const VirtAddr end = plan_.range.start + plan_.pages.bytes();
        return {plan_.range.start, std::min(end, plan_.range.end)};
    }
    VirtAddr origin_of(VirtAddr there) const {
        return plan_.range.start + (there.value - plan_.at.value);
    }
    void lock_in_one_space();
    void unlock_in_one_space();
    void finish();

    /// Calls visit(Place, VirtRange) -> Result<void> for each entry that goes; the range is what of
    /// it does.
    template <typename Visit>
    Result<void> for_source(const TableRef& table, VirtRange range, Visit& visit);
    Result<void> look();
    Result<void> look_at(const Place& place, VirtRange range);
    /// Splits entries that go in part.
    Result<void> split_edges(VirtRange range);
    void split_edge(const TableRef& table, VirtRange range);
    /// The entry that decides about an address in the source.
    Place find(VirtAddr address);
    /// Whether it is a block of pages, or was until they began to go by pages.
    bool is_block(const Place& place) const;
    /// What all of [there, there + size of an entry at `level`) becomes, if one entry can say it.
    std::optional<Entry> alike(VirtAddr there, Level level);
    /// Tables that are needed below an entry of a table at `level`, and the charge of all that they
    /// get. `table`: null if there is none yet.
    void add_need(const TableRef* table, Level level, VirtRange range, Need& need);
    void send();
    void fill(const TableRef& table, VirtRange range);
    void fill_pages(const TableRef& table, VirtRange range);
    /// Takes a page of the space's own out of its place, or another user of it; other entries stay.
    Entry take(const Place& place);
    /// The same of the block of pages that goes by pages: which of them goes to an address.
    Entry take_of_block(const Place& place, VirtAddr address);
    /// What a page becomes that stands, or would stand, at an address.
    Entry take_page(VirtAddr from);
    /// What an entry says where it goes.
    Entry there(Entry entry, Level level, VirtAddr address);
    std::optional<Id> id_of(const AttachmentKey& key);
    void clear();

    const TransferPlan plan_;
    std::optional<Transaction> lower_;
    std::optional<Transaction> upper_;
    Transaction* source_ = nullptr;
    Transaction* target_ = nullptr;
    TableRef page_table_{};    ///< of the source, found last; its slots are null if none was
    AttachmentKey last_key_{}; ///< found last, where it goes
    Id last_id_{};
    Entry more_{};  ///< what the range goes on with where it becomes longer
    Entry block_{}; ///< that goes by pages
    VirtAddr block_start_{};
    std::uint64_t charge_ = 0;   ///< of what it becomes
    std::uint64_t surplus_ = 0;  ///< of what was there, and of what goes, in one space
    std::uint64_t released_ = 0; ///< of what left the source
    std::uint64_t replaced_ = 0; ///< of what left the target
};

} // namespace vm
