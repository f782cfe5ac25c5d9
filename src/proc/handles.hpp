// SPDX-License-Identifier: MIT
// Grants and handles: the only ways in which a process reaches a kernel object.
#pragma once

#include "abi/types.hpp"
#include "lib/clamp.hpp"
#include "proc/object.hpp"
#include "vm/commit.hpp"
#include "vm/lock.hpp"

#include <array>
#include <cstddef>
#include <optional>

namespace proc {

/// An object together with the rights to it: what a handle holds, and what travels in messages.
/// Endpoints and notifications count the grants that can send and receive, so that the end of the
/// last one wakes who would wait for ever.
class Grant {
public:
    Grant() = default;
    /// Shares the object. Takes endpoint rank.
    Grant(Object& object, std::uint32_t rights);
    /// Takes the right to answer a call over: a grant without rights, never duplicated.
    template <typename T>
    explicit Grant(Ref<T> reply) : object_(&reply.leak()) {
        static_assert(T::object_kind == ObjectKind::reply);
    }
    Grant(Grant&& other) noexcept
        : object_(std::exchange(other.object_, nullptr)), rights_(other.rights_) {}
    Grant& operator=(Grant&& other) noexcept {
        std::swap(object_, other.object_);
        std::swap(rights_, other.rights_);
        return *this;
    }
    /// Takes any rank: not to be run under a lock.
    ~Grant() { close(); }

    explicit operator bool() const { return object_ != nullptr; }
    Object* object() const { return object_; }
    std::uint32_t rights() const { return rights_; }
    void close();

private:
    friend class HandleTable;
    Object* object_ = nullptr;
    std::uint32_t rights_ = 0;
};

/// The handles of one process. A value is made of index and generation, so that the value of a
/// closed handle stays refused when its slot is used again:
///
///   63      48 47                 16 15        0
///   |   0     |     generation      | index + 1 |        the n-th of a fresh table is n + 1
///
/// Grows by pages, which are charged to the account.
class HandleTable {
public:
    explicit HandleTable(vm::Account& account) : account_(account) {}
    ~HandleTable() { close_all(); }
    HandleTable(const HandleTable&) = delete;
    HandleTable& operator=(const HandleTable&) = delete;

    /// How many handles a process can have at most.
    static constexpr unsigned limit = 1024;
    /// How many this one may have, up to `limit`. Called before it is used.
    void set_limit(unsigned handles) { own_limit_ = handles; }

    /// Errors: limit_reached, no_memory. On error the grant is closed.
    Result<abi::Handle> insert(Grant grant);
    /// Another grant of what the handle refers to, with the same rights.
    /// Errors: bad_handle, not_permitted (the handle lacks some of `needed`).
    Result<Grant> grant(abi::Handle handle, std::uint32_t needed);
    /// Takes the handle out. Error: bad_handle (also, if a kind is given, for another kind).
    Result<Grant> remove(abi::Handle handle, std::optional<ObjectKind> kind = {});
    /// The object behind a handle to a T. Errors: as grant; bad_handle if it is of another kind.
    template <typename T>
    Result<Ref<T>> find(abi::Handle handle, std::uint32_t needed) {
        Object* object = TRY(find_object(handle, T::object_kind, needed));
        return Ref<T>::adopt(static_cast<T&>(*object));
    }
    /// The same, with its lock held, and no reference: for an object whose end takes that lock
    /// first, after the handle was taken out.
    template <typename T>
    [[gnu::always_inline]] Result<T*> lock_object(abi::Handle handle, std::uint32_t needed) {
        const vm::Guard guard(lock_);
        const Slot* found = look_up(handle);
        if (found == nullptr || found->object->kind() != T::object_kind) [[unlikely]]
            return Error::bad_handle;
        if ((needed & ~std::uint32_t{found->rights}) != 0) [[unlikely]]
            return Error::not_permitted;
        T& object = static_cast<T&>(*found->object);
        object.lock();
        return &object;
    }
    /// Gives `fresh`, which was never used and which nobody else knows yet, a grant of everything
    /// that this one holds, at the same values. Rights to answer a call can't be duplicated: their
    /// values are those of closed handles there. Errors: no_memory, limit_reached; then `fresh`
    /// holds some.
    Result<void> copy_into(HandleTable& fresh);
    /// Closes all and gives the pages back.
    void close_all();
    unsigned count();

private:
    struct Slot {
        Object* object;
        std::uint32_t generation;
        std::uint16_t next_free; ///< index + 1 of the next free slot, 0 at the end
        std::uint8_t rights;
    };
    static_assert(sizeof(Slot) == 16);
    static constexpr unsigned slots_per_page = page_size / sizeof(Slot);
    static constexpr unsigned page_limit = limit / slots_per_page;

    /// Precondition: index < used_.
    Slot& slot(unsigned index) {
        return pages_.data()[index / slots_per_page][index % slots_per_page];
    }
    Slot* look_up(abi::Handle handle) {
        const std::uint64_t index = (handle & 0xffff) - 1; // 0 wraps, and is refused
        const std::uint64_t within = lib::mask_below(index, used_);
        if (within == 0) return nullptr;
        Slot& found = slot(static_cast<unsigned>(index & within));
        return found.object != nullptr && found.generation == handle >> 16 ? &found : nullptr;
    }
    Result<unsigned> take_slot();
    /// Makes the page in which the slot after the last one used stands, if it is not there. Slots
    /// that were never used hold anything.
    Result<void> make_page();
    /// Of a slot whose object was taken out: its value stays refused.
    void retire(unsigned index);
    Result<Object*> find_object(abi::Handle handle, ObjectKind kind, std::uint32_t needed);

    vm::SpinLock<vm::Rank::handles> lock_; ///< for all below: slots, pages, free list
    vm::Account& account_;
    std::array<Slot*, page_limit> pages_{};
    unsigned own_limit_ = limit;
    unsigned used_ = 0;            ///< slots that were ever used
    unsigned count_ = 0;           ///< slots in use
    std::uint16_t first_free_ = 0; ///< index + 1
};

} // namespace proc
