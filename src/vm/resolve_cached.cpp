// SPDX-License-Identifier: MIT
// Faults on pages that an object has already: they are mapped at once, with the neighbours that it
// has too.
//
//   page table locked, entry found ─► the object's lock ─► page resident?
//     shared, or private and read   the page, and around it, in 64 KiB, each page that is resident
//                                   where the same entry stands
//     private and written           a copy of the page
//   else nothing, and resolve_object.cpp goes the long way, which makes pages, waits, and asks
//
// Whose table is locked when the evictor says that a page leaves is visited after that: either it
// has the entry by then, or the object gives the page no more.
#include "vm/fault_access.hpp"
#include "vm/ids.hpp"
#include "vm/resident_pages.hpp"
#include "vm/transaction.hpp"

namespace vm {

namespace {
/// Pages that one fault may map: an aligned window of the address space.
constexpr unsigned window = 16;
static_assert(table_entries % window == 0);
} // namespace

bool AddressSpace::install_copy(Transaction& transaction, Entry old, MemoryObject& object,
                                std::uint64_t index) {
    if (old.intent().noreserve) return false; // a copy is charged the long way
    PhysAddr original{};
    if (const ResidentPages pages(object, index); pages) {
        original = pages.slots()->peek().frame();
        frame_record(original).references.fetch_add(1, std::memory_order_relaxed);
    }
    if (original.value == 0) return false;
    FreshFrames copy(0);
    const bool copied = copy.allocate_copy(FrameKind::anonymous, original);
    release_frame(original);
    if (!copied) return false;
    transaction.install(old, Entry::page(copy.first(), old, false, true), 0);
    copy.install();
    return true;
}

bool AddressSpace::resolve_cached(Transaction& transaction, VirtAddr page, Entry old,
                                  FaultAccess wanted) {
    if (!permits(old.access(), wanted)) return false;
    // As long as the entry stands there, which is until it is unlocked, the object stays.
    const Attachment& attachment = ids()->at(old.id());
    MemoryObject& object = *attachment.object;
    const std::uint64_t index = attachment.index_of(page);
    const bool is_private = attachment.is_private;
    if (is_private && wanted.write) {
        if (!install_copy(transaction, old, object, index)) return false;
    } else {
        const ResidentPages pages(object, index);
        if (!pages) return false;
        const unsigned at = level_index(page, 1) % window;
        transaction.install_around(old, Entry::object_page(old, is_private), pages.slots(),
                                   std::min(at, pages.before()),
                                   std::min(window - 1 - at, pages.behind()));
    }
    transaction.commit<Extent::page_table>();
    return true;
}

} // namespace vm
