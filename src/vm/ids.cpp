// SPDX-License-Identifier: MIT
// Id tables: one piece of memory each: the table, its attachments, the beginnings of hash chains.
#include "vm/ids.hpp"

#include "vm/heap.hpp"

#include <algorithm>
#include <memory>

namespace vm {

AttachmentKey AttachmentKey::of_page(Entry entry, VirtAddr address, PhysAddr frame) {
    const Frame& record = frame_record(frame);
    return {.object = record.object,
            .base = address.value - (record.index << page_bits),
            .ceiling = entry.intent().ceiling,
            .is_private = !entry.is_shared() || entry.is_cow()};
}

constexpr std::size_t IdTable::bytes_for(std::uint32_t capacity) {
    return sizeof(IdTable) +
           std::size_t{capacity} * (sizeof(Attachment) + sizeof(Plain<std::uint32_t>));
}

PageCount IdTable::charge_for(std::uint32_t capacity) {
    return {align_up(bytes_for(capacity), page_size) >> page_bits};
}

Result<IdTable*> IdTable::make(std::uint32_t capacity) {
    if (capacity > id_limit - first_id) return Error::limit_reached;
    auto* const table =
        std::construct_at(static_cast<IdTable*>(TRY(heap_allocate(bytes_for(capacity)))), capacity);
    std::uninitialized_default_construct_n(table->attachments(), capacity);
    std::uninitialized_value_construct_n(table->chains(), capacity);
    return table;
}

void IdTable::release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    for (std::uint32_t slot = 0; slot < fresh_; ++slot) {
        if (attachments()[slot].object == nullptr) continue;
        attachments()[slot].object->remove(attachments()[slot]);
        attachments()[slot].object->release();
    }
    heap_free(this, bytes_for(capacity_));
}

std::uint32_t IdTable::chain_of(const AttachmentKey& key) const {
    constexpr std::uint64_t mixer = 0x9e37'79b9'7f4a'7c15; // 2^64 over the golden ratio
    const std::uint64_t mixed = (key.object * mixer ^ (key.base >> page_bits)) * mixer;
    return static_cast<std::uint32_t>(mixed >> 32) & (capacity_ - 1);
}

Entry IdTable::entry(Id id, Access access, Intent intent) const {
    const Attachment& attachment = at(id);
    const bool memory = attachment.object->source() == MemoryObject::Source::zeros;
    return memory && !attachment.is_private ? Entry::shared(id, access, intent)
                                            : Entry::file(id, access, intent);
}

std::optional<Id> IdTable::find(const AttachmentKey& key) const {
    for (std::uint32_t id = chains()[chain_of(key)]; id != 0; id = at({id}).next)
        if (at({id}).key() == key) return Id{id};
    return std::nullopt;
}

void IdTable::link(std::uint32_t slot) {
    Attachment& attachment = attachments()[slot];
    Plain<std::uint32_t>& chain = chains()[chain_of(attachment.key())];
    attachment.next = chain;
    chain = slot + first_id;
}

Id IdTable::add(MemoryObject& object, const AttachmentKey& key) {
    require(!full(), "a full table of ids was added to");
    std::uint32_t slot = fresh_;
    if (first_free_ != 0) {
        slot = first_free_ - first_id;
        first_free_ = attachments()[slot].next;
    } else {
        fresh_ += 1;
    }
    object.retain();
    Attachment& attachment = attachments()[slot];
    attachment.object = &object;
    attachment.base = key.base;
    attachment.ceiling = key.ceiling;
    attachment.is_private = key.is_private;
    attachment.in_use = false;
    attachment.table = this;
    object.add(attachment);
    link(slot);
    used_ += 1;
    return Id{slot + first_id};
}

void IdTable::copy(const IdTable& other) {
    fresh_ = other.fresh_;
    used_ = other.used_;
    first_free_ = other.first_free_;
    for (std::uint32_t slot = 0; slot < fresh_; ++slot) {
        Attachment& attachment = attachments()[slot];
        const Attachment& original = other.attachments()[slot];
        attachment.next = original.next; // of a free one: which is free after it
        if (original.object == nullptr) continue;
        // The object's list is under the object's lock: the copy gets links of its own below.
        attachment.object = original.object;
        attachment.base = original.base;
        attachment.ceiling = original.ceiling;
        attachment.is_private = original.is_private;
        attachment.object->retain();
        attachment.table = this;
        attachment.object->add(attachment);
        link(slot);
    }
}

void IdTable::mark(const AttachmentKey& key) {
    if (const auto id = find(key)) mark(*id);
}

void IdTable::unlink_unmarked() {
    std::fill_n(chains(), capacity_, 0);
    for (std::uint32_t slot = 0; slot < fresh_; ++slot) {
        const Attachment& attachment = attachments()[slot];
        if (attachment.object != nullptr && attachment.in_use) link(slot);
    }
}

void IdTable::free_unlinked() {
    for (std::uint32_t slot = 0; slot < fresh_; ++slot) {
        Attachment& attachment = attachments()[slot];
        const bool stays = attachment.in_use;
        attachment.in_use = false;
        if (attachment.object == nullptr || stays) continue;
        if (attachment.object->must_stay()) { // until the next time
            link(slot);
            continue;
        }
        attachment.object->remove(attachment);
        attachment.object->release();
        attachment.object = nullptr;
        attachment.next = first_free_;
        first_free_ = slot + first_id;
        used_ -= 1;
    }
}

} // namespace vm
