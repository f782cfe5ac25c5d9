// SPDX-License-Identifier: MIT
// transform: a transaction that changes every entry of a mapped range in the same way.
#pragma once

#include "vm/transaction.hpp"

namespace vm {

/// Changes every entry of the range by change(Entry, Level), charging or releasing the difference.
/// admit(Entry) -> Result<void> may refuse. A page keeps its charge while it keeps its frame.
template <bool keeps_frames, Extent extent, typename Admit, typename Change>
[[gnu::always_inline]] inline Result<void> transform_in(Transaction& transaction, Admit admit,
                                                        Change change) {
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    TRY(transaction.look<extent>([&](Entry old, const Spot& where) -> Result<void> {
        if (old.empty()) return Error::not_mapped;
        TRY(admit(old));
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
[[gnu::noinline]] Result<void> transform_anywhere(Transaction& transaction, Admit admit,
                                                  Change change) {
    return transform_in<keeps_frames, Extent::any>(transaction, admit, change);
}

template <bool keeps_frames, typename Admit, typename Change>
[[gnu::always_inline]] inline Result<void> transform(AddressSpace& space, VirtRange range,
                                                     Admit admit, Change change) {
    [[gnu::uninitialized]] Transaction transaction(space, range);
    if (!transaction.in_page_table()) [[unlikely]]
        return transform_anywhere<keeps_frames>(transaction, admit, change);
    return transform_in<keeps_frames, Extent::page_table>(transaction, admit, change);
}

} // namespace vm
