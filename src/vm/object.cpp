// SPDX-License-Identifier: MIT
// The life of memory objects: making, charge, end.
#include "vm/object.hpp"

#include "vm/heap.hpp"

namespace vm {

namespace {
constinit Atomic<std::uint64_t> last_number{0};
/// The object itself lies on the kernel's heap, and is charged a page.
constexpr PageCount record_charge{1};
} // namespace

MemoryObject::MemoryObject(Source source, PageCount pages, Ceiling most, const QuotaRef& quota)
    : number_(last_number.fetch_add(1, std::memory_order_relaxed) + 1), source_(source),
      most_(most), pages_(pages.value), level_(level_for(pages.value)), root_(Entry::uncached()),
      quota_(quota) {
    account_.count_against(quota_.get());
}

Level MemoryObject::level_for(std::uint64_t pages) {
    Level level = 1;
    while (level_pages(level + 1) < pages) ++level;
    return level;
}

std::uint64_t MemoryObject::charge_for(std::uint64_t pages) {
    std::uint64_t charge = pages;
    for (std::uint64_t tables = pages;;) {
        tables = (tables + table_entries - 1) / table_entries;
        charge += tables;
        if (tables <= 1) return charge;
    }
}

Result<ObjectRef> MemoryObject::make(Source source, PageCount pages, Ceiling most,
                                     const QuotaRef& quota) {
    if (pages.value == 0 || pages > limit) return Error::invalid_argument;
    const auto object = ObjectRef::adopt(*TRY(heap_new<MemoryObject>(source, pages, most, quota)));
    TRY(object->account_.charge(record_charge, Backing::kernel));
    object->has_record_ = true;
    return object;
}

Result<ObjectRef> MemoryObject::make_zeros(PageCount pages, const QuotaRef& quota) {
    ObjectRef object = TRY(make(Source::zeros, pages, Ceiling::all(), quota));
    const std::uint64_t charge = charge_for(pages.value);
    TRY(object->account_.charge({charge}));
    object->charged_ = charge;
    return object;
}

Result<ObjectRef> MemoryObject::make_boot(PhysAddr first, PageCount pages, Ceiling most) {
    ObjectRef object = TRY(make(Source::boot, pages, most, {}));
    TRY(object->adopt(first));
    return object;
}

Result<ObjectRef> MemoryObject::make_paged(PageCount pages, Ceiling most, const QuotaRef& quota) {
    ObjectRef object = TRY(make(Source::pager, pages, most, quota));
    object->enlist();
    return object;
}

Result<void> MemoryObject::adopt(PhysAddr first) {
    const Guard guard(lock_);
    for (std::uint64_t index = 0; index < pages_; ++index) {
        Slot* const slot = TRY(make_slot(index));
        const PhysAddr frame = first + (index << page_bits);
        Frame& record = frame_record(frame);
        require(record.kind == FrameKind::reserved, "boot memory that is used otherwise");
        record.kind = FrameKind::cache;
        // One reference stays for good: no zone could take it back.
        record.references.store(2, std::memory_order_relaxed);
        put(*slot, index, frame);
    }
    return {};
}

void MemoryObject::drop_page(PhysAddr frame) const {
    if (source_ == Source::boot) frame_record(frame).kind = FrameKind::reserved;
    release_frame(frame);
}

void MemoryObject::drop_below(Entry entry, Level level) {
    if (!entry.present()) return;
    if (level == 0) return drop_page(entry.frame());
    const auto* const slots = static_cast<const Slot*>(direct(entry.frame()));
    for (unsigned index = 0; index < table_entries; ++index)
        drop_below(slots[index].load(), level - 1);
    free_frame(entry.frame());
}

void MemoryObject::end() {
    if (source_ == Source::pager && has_record_) unlist(); // else it was never made
    // Nobody else refers to it, so no lock.
    drop_below(root_, level_);
    account_.release({charged_});
    if (has_record_) account_.release(record_charge, Backing::kernel);
    account_.settle();
    heap_delete(this);
}

} // namespace vm
