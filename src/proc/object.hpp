// SPDX-License-Identifier: MIT
// Object: what handles refer to. A kind, a reference count, and no virtual function.
#pragma once

#include "lib/result.hpp"
#include "vm/port.hpp"

#include <atomic>
#include <cstdint>
#include <utility>

namespace proc {

enum class ObjectKind : std::uint8_t {
    process,
    thread,
    endpoint,
    notification,
    memory, ///< a memory object
    console,
    power,
    reply, ///< the right to answer one call
};

/// Born with one reference, which belongs to whoever made it.
class Object {
public:
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;

    ObjectKind kind() const { return kind_; }
    void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
    /// Drops one reference; the last one ends the object by its kind. Called without locks of rank
    /// `process` and above: the end of an object takes them.
    void release() {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(*this);
    }
    /// Drops a reference that is not the last one: of that the caller is sure.
    void let_go() { references_.fetch_sub(1, std::memory_order_release); }
    std::uint32_t references() const { return references_.load(std::memory_order_relaxed); }

protected:
    constexpr explicit Object(ObjectKind kind, std::uint32_t references = 1)
        : references_(references), kind_(kind) {}
    ~Object() = default;
    /// An object that stands in another one comes to life again.
    void revive() { references_.store(1, std::memory_order_relaxed); }

private:
    static void destroy(Object& object);

    std::atomic<std::uint32_t> references_;
    ObjectKind kind_;
};

/// A counted reference, or none.
template <typename T>
class Ref {
public:
    constexpr Ref() = default;
    explicit Ref(T& object) : object_(&object) { object.retain(); }
    /// Takes a reference over that the caller holds.
    static Ref adopt(T& object) {
        Ref reference;
        reference.object_ = &object;
        return reference;
    }
    Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Ref(const Ref& other) : object_(other.object_) {
        if (object_ != nullptr) object_->retain();
    }
    Ref& operator=(Ref other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~Ref() {
        if (object_ != nullptr) object_->release();
    }

    explicit operator bool() const { return object_ != nullptr; }
    T& operator*() const { return *object_; }
    T* operator->() const { return object_; }
    T* get() const { return object_; }
    /// Gives the reference to the caller, who must see to its release.
    T& leak() { return *std::exchange(object_, nullptr); }

private:
    T* object_ = nullptr;
};

} // namespace proc
