// SPDX-License-Identifier: MIT
// The life of an address space: making, adopting, ending.
#include "vm/space.hpp"

#include "vm/transaction.hpp"

#include <algorithm>

namespace vm {

namespace {
constinit AddressSpace kernel;
/// The kernel's own is 0.
constinit Atomic<std::uint64_t> last_number{0};
} // namespace

AddressSpace& kernel_space() { return kernel; }

std::uint64_t AddressSpace::root_charge() {
    // It is an upper table, of two pages where roots are mirrored.
    return table_charge(kernel.levels_) + root_pages() - 1;
}

namespace {
void copy_kernel_half(PhysAddr from, PhysAddr to) {
    // It stays as boot made it, and nobody sees the new root yet: no need for word by word.
    constexpr std::size_t half = page_size / 2;
    __builtin_memcpy(static_cast<std::byte*>(direct(to)) + half,
                     static_cast<const std::byte*>(direct(from)) + half, half);
}
} // namespace

Result<void> AddressSpace::create() {
    levels_ = kernel.levels();
    kernel_ = false;
    range_ = user_range;
    TRY(account_.charge({root_charge()}));
    const auto root = make_root(levels_);
    if (!root) {
        account_.release({root_charge()});
        account_.settle();
        return root.error();
    }
    root_ = (*root)->frame;
    translations_.number = last_number.fetch_add(1, std::memory_order_relaxed) + 1;
    // The upper half is the kernel's, in every root: neither counted here nor ever free.
    copy_kernel_half(kernel.root_, root_);
    if (port::mirrored_roots()) copy_kernel_half(kernel.user_root(), user_root());
    std::fill_n((*root)->free + table_entries / 128, table_entries / 128, 0);
    return {};
}

namespace {

/// Gives descriptors to the tables that boot made within `range`; their charge.
Result<std::uint64_t> adopt_tables(PhysAddr frame, Level level, VirtAddr base, VirtRange range) {
    TRY(adopt_table(frame, level));
    std::uint64_t charge = table_charge(level);
    if (level == 1) return charge;
    const TableRef table = table_at(frame, level, base);
    const unsigned last = table.index_of(range.end - 1);
    for (unsigned index = table.index_of(range.start); index <= last; ++index) {
        const Entry entry = table.slots[index].load();
        if (!entry.is_table(level)) continue;
        const VirtAddr start = table.address_of(index);
        const VirtAddr end = start + level_size(level);
        charge += TRY(adopt_tables(entry.frame(), level - 1, start,
                                   {std::max(start, range.start), std::min(end, range.end)}));
    }
    return charge;
}

} // namespace

Result<void> AddressSpace::adopt_kernel(PhysAddr root, unsigned levels, VirtRange range) {
    root_ = root;
    levels_ = levels;
    kernel_ = true;
    range_ = range;
    account_.reset();
    const std::uint64_t charge = TRY(adopt_tables(root, levels, top_base(), range));
    frame_record(root).table->idle = false; // a root stays
    TRY(account_.charge({charge}));
    return {};
}

std::uint64_t AddressSpace::take_apart() {
    // No CPU runs it, or, from here on, looks at it: it is taken to pieces as it stands.
    leave_objects();
    Obligations obligations;
    obligations.own_table(frame_record(root_).table,
                          {VirtAddr{0}, VirtAddr{level_size(levels_ + 1) / 2}});
    obligations.flush(*this);
    root_ = PhysAddr{};
    const std::uint64_t charge = obligations.release(*this) + root_pages() - 1;
    drop_ids(ids_.exchange(nullptr)); // no entry refers to an object any more
    return charge;
}

void AddressSpace::destroy() {
    account_.release({take_apart()});
    account_.settle();
}

namespace {

/// Adds what `table` and the tables below it hold within `range`.
void add_counts(const TableRef& table, VirtRange range, AddressSpace::Counts& counts) {
    const TableDescriptor& descriptor = *table.descriptor;
    ++counts.tables;
    counts.table_charge += table_charge(table.level);
    counts.anonymous += descriptor.frames;
    if (descriptor.idle) ++counts.reclaimable;
    if (descriptor.idle || table.level == 1) return;
    const unsigned last = table.index_of(range.end - 1);
    for (unsigned index = table.index_of(range.start); index <= last; ++index) {
        const Entry entry = table.slots[index].load();
        const bool narrowed = entry.is_table(table.level) && entry.is_narrowed();
        if (narrowed || entry.is_graft(table.level)) ++counts.shared_tables;
        if (!entry.is_table(table.level)) continue;
        const VirtAddr start = table.address_of(index);
        const VirtAddr end = start + level_size(table.level);
        add_counts(table.below(entry, index),
                   {std::max(start, range.start), std::min(end, range.end)}, counts);
    }
}

} // namespace

AddressSpace::Counts AddressSpace::counts() const {
    Counts counts{};
    if (root() == PhysAddr{}) return counts;
    add_counts(table_at(root_, levels_, top_base()), range_, counts);
    if (!kernel_) {
        counts.tables += root_pages() - 1;
        counts.table_charge += root_pages() - 1;
    }
    return counts;
}

} // namespace vm
