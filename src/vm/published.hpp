// SPDX-License-Identifier: MIT
// Published: a value that one CPU at a time writes and any CPU may read: whole, though perhaps old.
#pragma once

#include "vm/atomic.hpp"

namespace vm {

/// Written under a lock (or by its CPU only), read without: no torn value, no order with others.
template <typename T>
class Published {
public:
    constexpr Published() = default;
    constexpr Published(T value) : value_(value) {}
    Published& operator=(T value) {
        value_.store(value, std::memory_order_relaxed);
        return *this;
    }
    Published& operator=(const Published& other) { return *this = static_cast<T>(other); }
    operator T() const { return value_.load(std::memory_order_relaxed); }
    /// Not one step: writers exclude each other.
    Published& operator+=(T more) { return *this = static_cast<T>(*this + more); }

private:
    Atomic<T> value_{};
};

} // namespace vm
