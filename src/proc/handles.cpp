// SPDX-License-Identifier: MIT
// Grants and handle tables.
#include "proc/handles.hpp"

#include "proc/endpoint.hpp"
#include "proc/notification.hpp"
#include "vm/frames.hpp"

namespace proc {

Grant::Grant(Object& object, std::uint32_t rights) : object_(&object), rights_(rights) {
    object.retain();
    if (object.kind() == ObjectKind::endpoint)
        static_cast<Endpoint&>(object).opened(rights);
    else if (object.kind() == ObjectKind::notification)
        static_cast<Notification&>(object).opened(rights);
}

void Grant::close() {
    Object* object = std::exchange(object_, nullptr);
    if (object == nullptr) return;
    if (object->kind() == ObjectKind::endpoint)
        static_cast<Endpoint*>(object)->closed(rights_);
    else if (object->kind() == ObjectKind::notification)
        static_cast<Notification*>(object)->closed(rights_);
    object->release();
}

Result<unsigned> HandleTable::take_slot() {
    if (count_ >= own_limit_) return Error::limit_reached;
    if (first_free_ != 0) {
        const unsigned index = first_free_ - 1U;
        first_free_ = slot(index).next_free;
        return index;
    }
    if (used_ == limit) return Error::limit_reached;
    TRY(make_page());
    slot(used_) = {};
    return used_++;
}

Result<void> HandleTable::make_page() {
    Slot*& page = pages_[used_ / slots_per_page];
    if (page != nullptr) return {};
    TRY(account_.charge(PageCount{1}));
    const Result<PhysAddr> frame = vm::allocate_frame(vm::FrameKind::kernel);
    if (!frame) {
        account_.release(PageCount{1});
        return frame.error();
    }
    page = static_cast<Slot*>(vm::direct(*frame));
    return {};
}

void HandleTable::retire(unsigned index) {
    // A slot whose generations are used up is never used again.
    if (++slot(index).generation == 0) return;
    slot(index).next_free = first_free_;
    first_free_ = static_cast<std::uint16_t>(index + 1);
}

Result<abi::Handle> HandleTable::insert(Grant grant) {
    const vm::Guard guard(lock_);
    // On failure the grant is closed by its parameter's destructor, after the lock is given back.
    const unsigned index = TRY(take_slot());
    Slot& taken = slot(index);
    taken.rights = static_cast<std::uint8_t>(grant.rights_);
    taken.object = std::exchange(grant.object_, nullptr);
    ++count_;
    return (abi::Handle{taken.generation} << 16) | (index + 1);
}

Result<Grant> HandleTable::grant(abi::Handle handle, std::uint32_t needed) {
    const vm::Guard guard(lock_);
    const Slot* found = look_up(handle);
    if (found == nullptr) return Error::bad_handle;
    if ((needed & ~std::uint32_t{found->rights}) != 0) return Error::not_permitted;
    return Grant(*found->object, found->rights);
}

Result<Object*> HandleTable::find_object(abi::Handle handle, ObjectKind kind,
                                         std::uint32_t needed) {
    const vm::Guard guard(lock_);
    const Slot* found = look_up(handle);
    if (found == nullptr || found->object->kind() != kind) return Error::bad_handle;
    if ((needed & ~std::uint32_t{found->rights}) != 0) return Error::not_permitted;
    found->object->retain();
    return found->object;
}

Result<Grant> HandleTable::remove(abi::Handle handle, std::optional<ObjectKind> kind) {
    const vm::Guard guard(lock_);
    Slot* found = look_up(handle);
    if (found == nullptr) return Error::bad_handle;
    if (kind && found->object->kind() != *kind) return Error::bad_handle;
    Grant taken;
    taken.object_ = std::exchange(found->object, nullptr);
    taken.rights_ = found->rights;
    --count_;
    retire(static_cast<unsigned>(handle & 0xffff) - 1);
    return taken;
}

Result<void> HandleTable::copy_into(HandleTable& fresh) {
    const vm::Guard guard(lock_);
    fresh.first_free_ = first_free_;
    for (unsigned index = 0; index < used_; ++index) {
        TRY(fresh.make_page());
        ++fresh.used_;
        Slot& copy = fresh.slot(index) = slot(index);
        if (copy.object == nullptr) continue;
        if (copy.object->kind() == ObjectKind::reply) {
            copy.object = nullptr;
            fresh.retire(index);
            continue;
        }
        Grant grant(*copy.object, copy.rights);
        grant.object_ = nullptr; // the slot's now
        ++fresh.count_;
    }
    return {};
}

void HandleTable::close_all() {
    for (unsigned index = 0; index < used_; ++index) {
        const abi::Handle handle = (abi::Handle{slot(index).generation} << 16) | (index + 1);
        static_cast<void>(remove(handle));
    }
    const vm::Guard guard(lock_);
    for (Slot*& page : pages_) {
        if (page == nullptr) continue;
        const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(page);
        vm::free_frame(PhysAddr{address - vm::port::direct_map});
        account_.release(PageCount{1});
        page = nullptr;
    }
    used_ = 0;
    first_free_ = 0;
}

unsigned HandleTable::count() {
    const vm::Guard guard(lock_);
    return count_;
}

} // namespace proc
