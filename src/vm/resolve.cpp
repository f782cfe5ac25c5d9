// SPDX-License-Identifier: MIT
// resolve: what a fault finds in the map, and what it does about it.
//
//   empty ─► hole        lazy ─► read: the frame of zeros; write: a zeroed frame of its own
//                        huge and lazy, writable ─► 2 MiB of its own: block.cpp
//   leaf ─► allowed by now: a stale translation, restart;  cow and written: a frame of its own
//   shared or file ─► its object's page: resolve_cached.cpp, resolve_object.cpp
//   callback ─► what the kernel function behind it says: callback.cpp
//   anything else ─► forbidden
#include "vm/block.hpp"
#include "vm/fault_access.hpp"
#include "vm/fresh_frames.hpp"
#include "vm/transaction.hpp"

namespace vm {

Resolution AddressSpace::resolve_page(VirtAddr page, FaultAccess wanted, Touch touch,
                                      Located& refused) {
    const bool force = touch == Touch::populate;
    // What a read changes means the same to all who have the table.
    [[gnu::uninitialized]] Transaction transaction(
        *this, {page, page + page_size}, Detach::no, nullptr,
        wanted.write || force ? Sharing::ends : Sharing::in_place);
    const auto [old, level] = transaction.decisive();
    const EntryKind kind = old.kind(level);
    const auto refuse = [&](Resolution why) {
        refused = {old, level};
        return why;
    };
    if (kind == EntryKind::empty) return refuse(Resolution::hole);
    if (kind != EntryKind::lazy && kind != EntryKind::leaf) {
        if (kind == EntryKind::table) return refuse(resolution_of(transaction.lacking()));
        if (kind == EntryKind::file || kind == EntryKind::shared || kind == EntryKind::graft) {
            if (!force && transaction.in_page_table() &&
                resolve_cached(transaction, page, old, wanted)) [[likely]]
                return Resolution::resolved;
            transaction.leave();
            return resolve_object(page, wanted, touch, refused);
        }
        if (kind == EntryKind::callback && !force) {
            transaction.leave();
            return resolve_callback(page, wanted, refused);
        }
        return force && kind == EntryKind::parked ? Resolution::resolved
                                                  : refuse(Resolution::forbidden);
    }
    const Access access = old.access();
    if (!force && !permits(access, wanted)) return refuse(Resolution::forbidden);

    if (touch == Touch::any_size && wants_block(old, level)) [[unlikely]] {
        transaction.leave();
        return resolve_block(page) ? Resolution::resolved
                                   : resolve_page(page, wanted, Touch::one_page, refused);
    }
    const bool leaf = kind == EntryKind::leaf;
    const bool wants_own = force || wanted.write;
    if (leaf && (old.is_shared() || !wants_own || old.hardware_writable())) {
        if (wants_own && old.is_shared() && !old.hardware_writable()) [[unlikely]] {
            transaction.leave();
            return write_object_page(page, touch, refused);
        }
        return Resolution::resolved; // allowed since: the translation was an old one
    }
    const bool zeros = !leaf || old.frame() == zero_frame();
    if (leaf && force && !zeros && !old.is_cow()) return Resolution::resolved;

    // What stands there afterwards: the same frame made writable, a fresh one, or zeros to read.
    FreshFrames fresh(0);
    PhysAddr frame = zeros ? zero_frame() : old.frame();
    if (wants_own && (zeros || has_users(frame))) {
        const FrameKind of_space = kernel_ ? FrameKind::kernel : FrameKind::anonymous;
        if (!(zeros ? fresh.allocate_zeros(of_space) : fresh.allocate_copy(of_space, frame)))
            return refuse(Resolution::no_memory);
        frame = fresh.first();
    }
    const Intent intent = old.intent();
    // The page's charge within a larger entry is one page: splitting is charged apart. What is
    // neither promised nor a page yet was not charged.
    const bool charged = !zeros || (access.writable() && !intent.noreserve);
    const bool parks = access == Access::none(); // populated without rights
    const Entry now = parks ? Entry::parked(frame, intent, false, false)
                            : Entry::page(frame, old, !wants_own, !kernel_);
    const std::uint64_t charge = wants_own && !charged ? 1 : 0;
    const auto splits = [](Entry) { return true; };
    if (transaction.in_page_table()) [[likely]] {
        if (const auto reserved = transaction.reserve<Extent::page_table>(charge, 1, splits);
            !reserved)
            return refuse(resolution_of(reserved.error()));
        transaction.install(old, now, charge);
        fresh.install();
        transaction.commit<Extent::page_table>();
        return Resolution::resolved;
    }
    if (const auto reserved = transaction.reserve(charge, 1, splits); !reserved)
        return refuse(resolution_of(reserved.error()));
    transaction.apply_to_each(splits, [&](Entry, const Spot&) { return now; });
    fresh.install();
    transaction.commit();
    return Resolution::resolved;
}

Resolution AddressSpace::resolve(VirtAddr address, FaultAccess access, Located& refused) {
    if (address < range_.start || range_.end <= address) return Resolution::hole;
    const VirtAddr page{align_down(address.value, page_size)};
    return resolve_page(page, access, Touch::any_size, refused);
}

Result<void> AddressSpace::populate(VirtRange range) {
    TRY(check(range));
    Located refused{};
    for (VirtAddr page = range.start; page < range.end; page = page + page_size) {
        switch (resolve_page(page, {}, Touch::populate, refused)) {
        case Resolution::resolved: break;
        case Resolution::hole: return Error::not_mapped;
        case Resolution::forbidden:
        case Resolution::watched: return Error::not_permitted;
        case Resolution::no_memory: return Error::no_memory;
        case Resolution::over_quota: return Error::limit_reached;
        case Resolution::beyond_end: return Error::not_mapped;
        case Resolution::needs_page: return Error::would_block;
        }
    }
    return {};
}

AddressSpace::Located AddressSpace::locate(VirtAddr address) const {
    TableRef table = table_at(root_, levels_, VirtAddr{0});
    for (;;) {
        const Entry entry = table.slots[table.index_of(address)].load();
        if (!entry.is_table(table.level)) return {entry, table.level};
        table = table_at(entry.frame(), table.level - 1, VirtAddr{0});
    }
}

Result<PhysAddr> AddressSpace::frame_of(VirtAddr address) const {
    auto [entry, level] = locate(address);
    if (entry.is_graft(level)) {
        --level;
        const auto* const slots = static_cast<const Slot*>(direct(entry.frame()));
        entry = slots[level_index(address, level)].load();
    }
    const std::uint64_t offset = align_down(address.value % level_size(level), page_size);
    if (entry.is_leaf(level)) return entry.frame() + offset;
    if (entry.kind(level) == EntryKind::parked) return entry.parked_frame() + offset;
    return Error::not_mapped;
}

} // namespace vm
