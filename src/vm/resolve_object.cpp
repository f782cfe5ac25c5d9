// SPDX-License-Identifier: MIT
// Faults on pages of memory objects.
//
//   file, shared ─► no lock: the attachment, by the entry's id; the object; its page, held
//                   then the table's lock; the entry is still the same ─►
//                     shared mapping    the page itself, "don't free me"
//                     private, read     the page itself, not written
//                     private, written  a copy of it, charged as the space's own
//   private, read before, written ─► a copy
//   shared, and writes are watched, written ─► noted, and let through
//
// What happens meanwhile needs no wait: who finds another entry than before starts again.
#include "vm/fault_access.hpp"
#include "vm/missing_page.hpp"
#include "vm/object_place.hpp"
#include "vm/object_users.hpp"
#include "vm/transaction.hpp"

namespace vm {

namespace {

constexpr auto always = [](Entry) { return true; };

/// A reference to an object's page, for a scope.
class HeldPage {
public:
    explicit HeldPage(const MemoryObject::Held& held) : frame_(held.frame) {}
    ~HeldPage() {
        if (frame_.value != 0) release_frame(frame_);
    }
    HeldPage(const HeldPage&) = delete;
    HeldPage& operator=(const HeldPage&) = delete;
    PhysAddr frame() const { return frame_; }
    /// An entry has the reference now.
    void install() { frame_ = PhysAddr{}; }

private:
    PhysAddr frame_;
};

Resolution why(PageState state) {
    switch (state) {
    case PageState::held: return Resolution::resolved;
    case PageState::missing: return Resolution::needs_page;
    case PageState::beyond_end: return Resolution::beyond_end;
    case PageState::leaving: break;
    case PageState::no_memory: return Resolution::no_memory;
    }
    return Resolution::no_memory;
}

/// A shared page's entry, as it was before writes were taken from it.
Entry writable_again(Entry entry) {
    return Entry::leaf(entry.frame(), entry.access(), 1,
                       {.intent = entry.intent(), .shared = true});
}

/// Pages to be charged beyond the promise for a page of the space's own in this entry's place.
constexpr std::uint64_t charge_of_copy(Entry old) {
    return old.access().writable() && !old.intent().noreserve ? 0 : 1;
}

/// Puts a page's entry in the place of `old`, or of a part of it.
Result<void> install(Transaction& transaction, Entry old, Entry now, std::uint64_t charge) {
    TRY(transaction.reserve(charge, 1, always));
    if (transaction.in_page_table()) {
        transaction.install(old, now, charge);
    } else {
        transaction.apply_to_each(always, [&](Entry, const Spot&) { return now; });
    }
    return {};
}

} // namespace

Resolution AddressSpace::resolve_object(VirtAddr page, FaultAccess wanted, Touch touch,
                                        Located& refused) {
    const bool force = touch == Touch::populate;
    for (;;) {
        const Located located = locate(page);
        const Entry old = located.entry;
        const auto refuse = [&](Resolution reason) {
            refused = located;
            return reason;
        };
        // Something else by now: the access is tried again, and will see.
        const auto found = find_object(located, page);
        if (!found) return Resolution::resolved;
        if (force ? !old.access().readable() : !permits(old.access(), wanted))
            return refuse(Resolution::forbidden);
        const bool is_grafted = old.is_graft(located.level);
        if (is_grafted && force) {
            ungraft(page);
            continue;
        }

        const MemoryObject::Held answer = found->object->hold(found->index);
        if (answer.state == PageState::leaving) {
            port::spin_wait();
            continue;
        }
        if (answer.state != PageState::held) return refuse(why(answer.state));
        HeldPage held(answer);
        if (is_grafted) return Resolution::resolved; // it stands in the table now
        if (!force && can_graft(located, *found)) {
            const auto grafted = graft(page, old, *found);
            if (grafted) return Resolution::resolved;
            if (grafted.error() == Error::no_memory || grafted.error() == Error::limit_reached)
                return refuse(resolution_of(grafted.error()));
            if (grafted.error() == Error::would_block) port::spin_wait();
            continue;
        }
        FreshFrames copy(0);
        // As of a private page: what a read changes means the same to all who have the table.
        [[gnu::uninitialized]] Transaction transaction(
            *this, {page, page + page_size}, Detach::no, nullptr,
            wanted.write || force ? Sharing::ends : Sharing::in_place);
        const auto [current, level] = transaction.decisive();
        if (current.is_table(level)) return refuse(resolution_of(transaction.lacking()));
        if (current != old || !found->is_named_by(current, *ids()) ||
            !found->object->gives(found->index)) {
            transaction.leave();
            continue;
        }
        // Under the lock: the promise pays for one copy.
        const bool copies = found->is_private && (wanted.write || force);
        if (copies && !copy.allocate_copy(FrameKind::anonymous, held.frame()))
            return refuse(Resolution::no_memory);
        const Entry now =
            copies
                ? Entry::page(copy.first(), old, false, true)
                : Entry::leaf(held.frame(), old.access(), 1,
                              {.intent = old.intent(), .shared = true, .cow = found->is_private});
        if (const auto done = install(transaction, old, now, copies ? charge_of_copy(old) : 0);
            !done)
            return refuse(resolution_of(done.error()));
        if (copies)
            copy.install();
        else
            held.install();
        transaction.commit();
        if (!copies && !found->object->has(found->index, now.frame()))
            drop_cached({found->object.get(), found->base, found->index, found->index + 1});
        return Resolution::resolved;
    }
}

Resolution AddressSpace::write_object_page(VirtAddr page, Touch touch, Located& refused) {
    [[gnu::uninitialized]] Transaction transaction(*this, {page, page + page_size});
    const auto [old, level] = transaction.decisive();
    const auto refuse = [&](Resolution reason) {
        refused = {old, level};
        return reason;
    };
    if (old.is_table(level)) return refuse(resolution_of(transaction.lacking()));
    // Something else by now: as above.
    if (level != 1 || !old.present() || !old.is_counted() || old.hardware_writable())
        return Resolution::resolved;
    if (touch != Touch::populate && !old.access().writable()) return refuse(Resolution::forbidden);
    if (!old.is_cow()) {
        if (!old.access().writable()) return Resolution::resolved; // populated is what it is
        frame_record(old.frame()).written.store(true);
        transaction.install(old, writable_again(old), 0);
        transaction.commit();
        return Resolution::resolved;
    }
    FreshFrames copy(0);
    if (!copy.allocate_copy(FrameKind::anonymous, old.frame()))
        return refuse(Resolution::no_memory);
    const Entry now = Entry::page(copy.first(), old, false, true);
    if (const auto done = install(transaction, old, now, charge_of_copy(old)); !done)
        return refuse(resolution_of(done.error()));
    copy.install();
    transaction.commit();
    return Resolution::resolved;
}

std::optional<MissingPage> AddressSpace::missing_page(VirtAddr address) {
    const VirtAddr page{align_down(address.value, page_size)};
    auto found = find_object(locate(page), page);
    if (!found) return std::nullopt;
    return MissingPage{std::move(found->object), found->index};
}

} // namespace vm
