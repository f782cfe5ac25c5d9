// SPDX-License-Identifier: MIT
// Blocks: pages of 2 MiB, for memory that was mapped huge.
//
//   a touch                         lazy at level 2 ─► a leaf of 2 MiB
//   a change of a part of it        leaf ─► absent, flush ─► a table of its 512 pages
//   the last of these like others   table ─► absent, flush ─► the leaf again
//
// The page size never changes in one step: a processor may hold a translation of either size, and
// would then use whichever it likes (SDM vol. 3A, 4.10.2.3). What stands there meanwhile is lazy,
// which whoever reads without a lock takes for memory, as it is; who faults waits for the lock.
#include "vm/block.hpp"

#include "vm/fresh_frames.hpp"
#include "vm/transaction.hpp"

namespace vm {

namespace {

/// Charge for what is in hand and in no entry yet, for a scope.
class Deposit {
public:
    explicit Deposit(Account& account) : account_(account), paid_(account.charge(price).ok()) {}
    ~Deposit() {
        if (paid_) account_.release(price);
    }
    Deposit(const Deposit&) = delete;
    Deposit& operator=(const Deposit&) = delete;
    bool paid() const { return paid_; }
    /// An entry has the charge now.
    void keep() { paid_ = false; }

private:
    static constexpr PageCount price{charge_by_level[block_level]};
    Account& account_;
    bool paid_;
};

} // namespace

bool AddressSpace::resolve_block(VirtAddr page) {
    const VirtAddr start{align_down(page.value, level_size(block_level))};
    const FrameKind kind = kernel_ ? FrameKind::kernel : FrameKind::anonymous;
    // Several may come here for the same block, and only one installs what it has: all is charged
    // while it is in hand, else it would be memory that was promised to others.
    Deposit deposit(account_);
    FreshFrames block(block_order);
    // Zeroed without a lock: it takes a while.
    if (deposit.paid() && !block.allocate_zeros(kind)) return false;
    Transaction transaction(*this, {start, start + level_size(block_level)});
    const auto [old, level] = transaction.decisive();
    if (!wants_block(old, level)) return false;
    const bool promised = charge_of(old, level) != 0;
    // No room for the deposit: under the lock the promise itself pays.
    if (!deposit.paid() && (!promised || !block.allocate_zeros(kind))) return false;
    const auto splits = [](Entry) { return true; };
    if (!transaction.reserve(0, block_level, splits)) return false;
    const Entry now = Entry::leaf(block.first(), old.access(), block_level,
                                  {.intent = old.intent(), .user = !kernel_, .global = kernel_});
    transaction.apply(splits, [&](Entry, const Spot&) { return now; });
    block.install();
    if (!promised) deposit.keep();
    transaction.commit();
    return true;
}

Entry Transaction::make_absent(const TableRef& table, unsigned index, Entry leaf) {
    if (!leaf.present()) return leaf;
    const VirtAddr start = table.address_of(index);
    const Entry last = table.slots[index].exchange(Entry::lazy(leaf.access(), leaf.intent()));
    obligations_.owe({start, start + level_size(table.level)});
    obligations_.flush(space_);
    return last;
}

void Transaction::note_block(const TableRef& table) {
    const Entry first = table.slots[0].load();
    if (!first.present() && !first.is_parked()) return;
    const bool block = first.is_huge() && table.descriptor->holds_block(table.slots);
    if (block != table.descriptor->idle) set_idle(table, block, true);
}

void Transaction::fold_block(const TableRef& table, unsigned index, Entry link) {
    const TableRef child = table.below(link, index);
    const Entry first = child.slots[0].load();
    const Entry absent = Entry::lazy(first.access(), first.intent());
    unlink(table, index, link, absent,
           {table.level, {child.base, child.base + level_size(table.level)}, true});
    obligations_.flush(space_);
    Entry block = first.block_of_page();
    for (unsigned page = 0; page < table_entries && block.present(); ++page)
        block = block.used_as(child.slots[page].load()); // no processor writes there any more
    join_frames(private_frame(block, table.level), block_order);
    table.slots[index].store(block);
    table.descriptor->count(index, absent, block);
    table.descriptor->frames = table.descriptor->frames + table_entries;
    kept_ += charge_of(block, table.level) - table_entries * charge_of(first, child.level);
    child.descriptor->live = 0; // nothing in it is to be freed, nor its charge given back
    child.descriptor->charge = 0;
}

} // namespace vm
