// SPDX-License-Identifier: MIT
// Words that CPUs share. In the kernel Atomic<T> is std::atomic<T> and Plain<T> is T itself;
// hosted, every access is first told to a watcher, if there is one. So a test can stop a CPU before
// any step that another CPU could notice, and count which cache lines an operation reads and
// writes.
#pragma once

#include <atomic>

#ifdef TABULA_HOSTED
#include <cstddef>
#include <cstdint>
#include <type_traits>
#endif

namespace vm {

#ifndef TABULA_HOSTED

/// A word that is read and written without a lock.
template <typename T>
using Atomic = std::atomic<T>;
/// A field that a lock protects, or that only its owner uses.
template <typename T>
using Plain = T;
/// Reads a word that no other CPU's code changes meanwhile.
template <typename T>
T load_alone(const Atomic<T>& word) {
    static_assert(sizeof word == sizeof(T));
    return reinterpret_cast<const T&>(word);
}

#else

/// What an access does to the word: nothing, replaces it, or both in one step.
enum class Step : std::uint8_t { read, write, update };

/// Called before an access to `bytes` at `address`. Set while one thread runs only.
using Watcher = void (*)(const volatile void* address, std::size_t bytes, Step step);
inline constinit Watcher watcher = nullptr;

constexpr void tell(const volatile void* address, std::size_t bytes, Step step) {
    if (std::is_constant_evaluated()) return;
    if (watcher != nullptr) [[unlikely]]
        watcher(address, bytes, step);
}

/// A word that is read and written without a lock.
template <typename T>
class Atomic {
public:
    using Order = std::memory_order;
    static constexpr Order strict = std::memory_order_seq_cst;

    constexpr Atomic() = default;
    constexpr Atomic(T value) : word_(value) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(Order order = strict) const { return told(Step::read).load(order); }
    void store(T value, Order order = strict) { told(Step::write).store(value, order); }
    T exchange(T value, Order order = strict) { return told(Step::update).exchange(value, order); }
    T fetch_add(T value, Order order = strict) {
        return told(Step::update).fetch_add(value, order);
    }
    T fetch_sub(T value, Order order = strict) {
        return told(Step::update).fetch_sub(value, order);
    }
    T fetch_and(T value, Order order = strict) {
        return told(Step::update).fetch_and(value, order);
    }
    T fetch_or(T value, Order order = strict) { return told(Step::update).fetch_or(value, order); }
    bool compare_exchange_strong(T& expected, T value, Order order = strict) {
        return told(Step::update).compare_exchange_strong(expected, value, order);
    }
    /// Fails only where the value differs, so that the same steps give the same run.
    bool compare_exchange_weak(T& expected, T value, Order order = strict) {
        return told(Step::update).compare_exchange_strong(expected, value, order);
    }

private:
    const std::atomic<T>& told(Step step) const {
        tell(this, sizeof *this, step);
        return word_;
    }
    std::atomic<T>& told(Step step) {
        tell(this, sizeof *this, step);
        return word_;
    }
    std::atomic<T> word_{};
};

/// A field that a lock protects, or that only its owner uses.
template <typename T>
class Plain {
public:
    constexpr Plain() = default;
    constexpr Plain(T value) : value_(value) {}
    constexpr Plain(const Plain& other) : value_(other) {}
    constexpr Plain& operator=(const Plain& other) { return *this = static_cast<T>(other); }
    constexpr Plain& operator=(T value) {
        tell(this, sizeof *this, Step::write);
        value_ = value;
        return *this;
    }
    constexpr operator T() const {
        tell(this, sizeof *this, Step::read);
        return value_;
    }
    constexpr T operator->() const
        requires std::is_pointer_v<T>
    {
        return *this;
    }
    constexpr Plain& operator+=(T more) { return *this = static_cast<T>(*this + more); }
    constexpr Plain& operator-=(T less) { return *this = static_cast<T>(*this - less); }
    constexpr Plain& operator|=(T bits) { return *this = static_cast<T>(*this | bits); }
    constexpr Plain& operator&=(T bits) { return *this = static_cast<T>(*this & bits); }
    constexpr Plain& operator++() { return *this += 1; }
    constexpr Plain& operator--() { return *this -= 1; }

private:
    T value_{};
};

/// Reads a word that no other CPU's code changes meanwhile.
template <typename T>
T load_alone(const Atomic<T>& word) {
    return word.load(std::memory_order_relaxed);
}

#endif

} // namespace vm
