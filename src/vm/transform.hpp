// SPDX-License-Identifier: MIT
// transform: a transaction that changes every entry of a mapped range in the same way.
#pragma once

#include "vm/transaction.hpp"

namespace vm {

/// Changes every entry of the range by change(Entry, Level), charging or releasing the difference.
/// admit(Entry) -> Result<void> may refuse. A page keeps its charge while it keeps its frame;
/// `grafts`: there is one, which can't, so nothing was done.
template <bool keeps_frames, Extent extent, typename Admit, typename Change>
[[gnu::always_inline]] inline Result<void> transform_in(Transaction& transaction, Admit admit,
                                                        Change change, bool& grafts) {
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    TRY(transaction.look<extent>([&](Entry old, const Spot& where) -> Result<void> {
        if (old.empty()) return Error::not_mapped;
        TRY(admit(old));
        if constexpr (keeps_frames && extent == Extent::any) {
            grafts = old.is_graft(where.level);
            if (grafts) return Error::would_block;
        }
        if (keeps_frames && private_frame(old, where.level).value != 0) return {};
        before += charge_of(old, where);
        after += charge_of(change(old, where.level), where);
        return {};
    }));
    const auto changes = [&](Entry old) { return change(old, level_max) != old; };
    TRY(transaction.reserve<extent>(after > before ? after - before : 0, level_max, changes,
                                    [&] { return before > after ? before - after : 0; }));
    transaction.apply<extent>(
        changes, [&](Entry old, const Spot& where) { return change(old, where.level); });
    transaction.count_charge<extent>(after - before);
    // A page that is promised still may be touched at once: the one that it had must be free.
    transaction.commit<extent>(before > after ? before - after : 0,
                               keeps_frames ? Freeing::after_unlock : Freeing::under_locks);
    return {};
}
template <bool keeps_frames, typename Admit, typename Change>
[[gnu::noinline]] Result<void> transform_anywhere(AddressSpace& space, VirtRange range,
                                                  Transaction& first, Admit admit, Change change) {
    bool grafts = false;
    auto done = transform_in<keeps_frames, Extent::any>(first, admit, change, grafts);
    if (!grafts) return done;
    first.leave();
    do {
        space.ungraft_all(range);
        grafts = false;
        Transaction again(space, range);
        done = transform_in<keeps_frames, Extent::any>(again, admit, change, grafts);
    } while (grafts);
    return done;
}

template <bool keeps_frames, typename Admit, typename Change>
[[gnu::always_inline]] inline Result<void> transform(AddressSpace& space, VirtRange range,
                                                     Admit admit, Change change) {
    [[gnu::uninitialized]] Transaction transaction(space, range);
    if (!transaction.in_page_table()) [[unlikely]]
        return transform_anywhere<keeps_frames>(space, range, transaction, admit, change);
    bool none = false;
    return transform_in<keeps_frames, Extent::page_table>(transaction, admit, change, none);
}

} // namespace vm
