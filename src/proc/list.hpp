// SPDX-License-Identifier: MIT
// List: a doubly linked list whose links stand in its members, so that queueing never allocates.
#pragma once

#include "vm/port.hpp"

#include <type_traits>

namespace proc {

/// The links of one member in one list. A member of several lists has several.
template <typename T>
struct ListHook {
    T* previous = nullptr;
    T* next = nullptr;
    bool linked = false;
};

/// Members are not owned. All zero when empty, so that it can stand in zeroed memory.
template <typename T, ListHook<T> T::* hook>
class List {
public:
    bool empty() const { return first_ == nullptr; }
    T* front() const { return first_; }
    T* back() const { return last_; }
    /// Neighbours of a member of this list; null at its ends.
    static T* after(const T& member) { return (member.*hook).next; }
    static T* before(const T& member) { return (member.*hook).previous; }
    static bool contains(const T& member) { return (member.*hook).linked; }

    void push_back(T& member) {
        ListHook<T>& links = member.*hook;
        vm::require(!links.linked, "list: member is in a list already");
        links.previous = last_;
        links.next = nullptr;
        links.linked = true;
        (last_ != nullptr ? (last_->*hook).next : first_) = &member;
        last_ = &member;
    }
    void push_front(T& member) { insert_after(nullptr, member); }

    /// Puts `member` behind `position`; at the front if that is null.
    void insert_after(T* position, T& member) {
        ListHook<T>& links = member.*hook;
        vm::require(!links.linked, "list: member is in a list already");
        T* next = position != nullptr ? (position->*hook).next : first_;
        links = {position, next, true};
        (position != nullptr ? (position->*hook).next : first_) = &member;
        (next != nullptr ? (next->*hook).previous : last_) = &member;
    }

    T* pop_front() {
        T* member = first_;
        if (member == nullptr) return nullptr;
        ListHook<T>& links = member->*hook;
        first_ = links.next;
        (first_ != nullptr ? (first_->*hook).previous : last_) = nullptr;
        links.linked = false;
        return member;
    }

    void remove(T& member) {
        ListHook<T>& links = member.*hook;
        vm::require(links.linked, "list: member is in no list");
        (links.previous != nullptr ? (links.previous->*hook).next : first_) = links.next;
        (links.next != nullptr ? (links.next->*hook).previous : last_) = links.previous;
        links = {};
    }

private:
    T* first_ = nullptr;
    T* last_ = nullptr;
};

} // namespace proc
