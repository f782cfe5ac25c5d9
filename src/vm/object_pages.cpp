// SPDX-License-Identifier: MIT
// The resident pages of an object, by index.
#include "vm/ids.hpp"

namespace vm {

namespace {

/// Index of the entry for a page in a table at `level`.
constexpr unsigned slot_index(std::uint64_t page, Level level) {
    return static_cast<unsigned>(page >> (level_bits * (level - 1))) % table_entries;
}

Slot& slot_at(Entry table, std::uint64_t page, Level level) {
    return static_cast<Slot*>(direct(table.frame()))[slot_index(page, level)];
}

/// How the cache's tables refer to a page. Whoever grafts such a table allows no more than this.
Entry resident_page(PhysAddr frame) {
    return Entry::leaf(frame, Access::read_execute(), 1, {.shared = true});
}
/// Somebody has the frame for it in hand, and fills it with zeros.
constexpr Entry being_made = Entry::lazy(Access::none(), {});

} // namespace

Entry MemoryObject::find_table(std::uint64_t index) const {
    Entry entry = root_;
    for (Level level = level_; level > 1 && entry.present(); --level)
        entry = slot_at(entry, index, level).load();
    return entry;
}

Slot* MemoryObject::find(std::uint64_t index) const {
    Entry entry = root_;
    for (Level level = level_; entry.present(); --level) {
        Slot& slot = slot_at(entry, index, level);
        if (level == 1) return &slot;
        entry = slot.load();
    }
    return nullptr;
}

bool MemoryObject::has(std::uint64_t index, PhysAddr frame) {
    const Guard guard(lock_);
    if (!gives(index)) return false;
    const Slot* const slot = find(index);
    return slot != nullptr && slot->load().present() && slot->load().frame() == frame;
}

bool MemoryObject::lends(std::uint64_t index) const {
    const std::uint64_t first = align_down(index, table_entries);
    return leaving_end_ <= first || first + table_entries <= leaving_first_;
}

bool MemoryObject::lends_table(std::uint64_t index) {
    const Guard guard(lock_);
    return lends(index);
}

Result<PhysAddr> MemoryObject::lend_table(std::uint64_t index) {
    const Guard guard(lock_);
    if (!lends(index)) return Error::would_block;
    const Entry table = index < pages_ ? find_table(index) : Entry::absent();
    if (!table.present()) return Error::not_found;
    frame_record(table.frame()).references.fetch_add(1, std::memory_order_relaxed);
    return table.frame();
}

Result<PhysAddr> MemoryObject::make_level(std::uint64_t first) {
    const bool charged = source_ == Source::zeros; // with the whole of it
    if (!charged) TRY(account_.charge({1}));
    const auto frame = allocate_frame(FrameKind::cache_table);
    if (!frame) {
        if (!charged) account_.release({1});
        return frame.error();
    }
    if (!charged) charged_ += 1;
    frame_record(*frame).object = number_;
    frame_record(*frame).index = first;
    auto* const slots = static_cast<Slot*>(direct(*frame));
    for (unsigned index = 0; index < table_entries; ++index) slots[index].store(Entry::uncached());
    return *frame;
}

Result<Slot*> MemoryObject::make_slot(std::uint64_t index) {
    Entry entry = root_;
    if (!entry.present()) root_ = entry = Entry::table(TRY(make_level(0)), false);
    for (Level level = level_;; --level) {
        Slot& slot = slot_at(entry, index, level);
        if (level == 1) return &slot;
        entry = slot.load();
        if (entry.present()) continue;
        const std::uint64_t first = align_down(index, level_pages(level));
        entry = Entry::table(TRY(make_level(first)), false);
        slot.store(entry);
    }
}

void MemoryObject::put(Slot& slot, std::uint64_t index, PhysAddr frame) {
    Frame& record = frame_record(frame);
    record.object = number_;
    record.index = index;
    record.written.store(false, std::memory_order_relaxed);
    slot.store(resident_page(frame));
    resident_ += 1;
}

void MemoryObject::add(Attachment& attachment) {
    const Guard guard(lock_);
    attachment.next_of_object = attachments_;
    attachment.previous_of_object = nullptr;
    if (attachments_ != nullptr) attachments_->previous_of_object = &attachment;
    attachments_ = &attachment;
}

void MemoryObject::remove(Attachment& attachment) {
    const Guard guard(lock_);
    Attachment* const next = attachment.next_of_object;
    Attachment* const previous = attachment.previous_of_object;
    if (previous != nullptr)
        previous->next_of_object = next;
    else
        attachments_ = next;
    if (next != nullptr) next->previous_of_object = previous;
}

MemoryObject::Held MemoryObject::hold(std::uint64_t index) {
    const auto held = [](PhysAddr frame) {
        frame_record(frame).references.fetch_add(1, std::memory_order_relaxed);
        return Held{PageState::held, frame};
    };
    FreshFrames fresh(0);
    {
        const Guard guard(lock_);
        if (index >= pages_) return {PageState::beyond_end};
        if (!gives(index)) return {PageState::leaving};
        if (const Slot* const slot = find(index); slot != nullptr && slot->load().present())
            return held(slot->load().frame());
        if (source_ != Source::zeros) return {PageState::missing};
        // Taken under the lock by who makes it: what is charged is one page, not one in the hand of
        // each who wants it. Filled without the lock.
        const auto slot = make_slot(index);
        if (!slot) return {PageState::no_memory};
        if ((*slot)->load() == being_made) return {PageState::leaving};
        if (!fresh.allocate(FrameKind::cache)) return {PageState::no_memory};
        (*slot)->store(being_made);
    }
    fresh.fill_with_zeros();
    const Guard guard(lock_);
    Slot* const slot = find(index);
    // Unless the object became shorter meanwhile, and perhaps longer again.
    if (slot == nullptr || slot->load() != being_made) return {PageState::leaving};
    if (index >= pages_) {
        slot->store(Entry::uncached());
        return {PageState::beyond_end};
    }
    const PhysAddr frame = fresh.first();
    put(*slot, index, frame);
    fresh.install();
    return held(frame);
}

Result<void> MemoryObject::supply(std::uint64_t index, FreshFrames& page) {
    if (source_ != Source::pager) return Error::unsupported;
    TRY(account_.charge({1}));
    const auto supplied = [&]() -> Result<void> {
        const Guard guard(lock_);
        if (index >= pages_) return Error::invalid_argument;
        if (!gives(index)) return Error::already_mapped; // it leaves only now
        Slot* const slot = TRY(make_slot(index));
        if (slot->load().present()) return Error::already_mapped;
        require(frame_record(page.first()).is_single(FrameKind::cache), "a page of another kind");
        put(*slot, index, page.first());
        charged_ += 1;
        page.install();
        return {};
    }();
    if (!supplied) account_.release({1});
    return supplied;
}

Result<void> MemoryObject::make_room(std::uint64_t first, std::uint64_t end) {
    const Guard guard(lock_);
    for (std::uint64_t index = first; index < end;
         index = align_down(index, table_entries) + table_entries)
        TRY(make_slot(index));
    return {};
}

void MemoryObject::take_over(std::uint64_t index, PhysAddr frame) {
    const Guard guard(lock_);
    Slot* const slot = find(index);
    require(slot != nullptr && !slot->load().present(), "no room for a page of an object");
    change_kind(frame, FrameKind::cache);
    frame_record(frame).references.fetch_add(2, std::memory_order_relaxed);
    put(*slot, index, frame);
}

} // namespace vm
