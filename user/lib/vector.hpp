// SPDX-License-Identifier: MIT
// A growing array on the program's heap, and a text made of one.
#pragma once

#include "user/lib/heap.hpp"
#include "user/lib/print.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace user {

/// Elements in one block of memory; grows by doubling. Without memory the program ends.
template <typename T>
class Vector {
public:
    Vector() = default;
    Vector(Vector&& other) noexcept
        : items_(std::exchange(other.items_, nullptr)), size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    Vector& operator=(Vector&& other) noexcept {
        std::swap(items_, other.items_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
        return *this;
    }
    Vector(const Vector&) = delete;
    Vector& operator=(const Vector&) = delete;
    ~Vector() {
        clear();
        release(items_);
    }

    T& push(T value) {
        if (size_ == capacity_) reserve(capacity_ == 0 ? 8 : 2 * capacity_);
        return *std::construct_at(items_ + size_++, std::move(value));
    }
    void pop() { std::destroy_at(items_ + --size_); }
    /// Takes out the n-th; the order of the others stays.
    void erase(std::size_t n) {
        for (std::size_t i = n; i + 1 < size_; ++i) items_[i] = std::move(items_[i + 1]);
        pop();
    }
    void clear() {
        std::destroy_n(items_, size_);
        size_ = 0;
    }
    void reserve(std::size_t capacity) {
        if (capacity <= capacity_) return;
        T* fresh = static_cast<T*>(allocate(capacity * sizeof(T)));
        if (fresh == nullptr) die("out of memory");
        for (std::size_t i = 0; i < size_; ++i) {
            std::construct_at(fresh + i, std::move(items_[i]));
            std::destroy_at(items_ + i);
        }
        release(items_);
        items_ = fresh;
        capacity_ = capacity;
    }

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    T& operator[](std::size_t i) { return span()[i]; }
    const T& operator[](std::size_t i) const { return span()[i]; }
    T& back() { return span()[size_ - 1]; }
    T* begin() { return items_; }
    T* end() { return items_ + size_; }
    const T* begin() const { return items_; }
    const T* end() const { return items_ + size_; }
    std::span<T> span() { return {items_, size_}; }
    std::span<const T> span() const { return {items_, size_}; }

private:
    T* items_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

/// A text that owns its characters.
class Text {
public:
    Text() = default;
    explicit Text(std::string_view text) { append(text); }
    void append(std::string_view text) {
        if (characters_.size() + text.size() > 0) characters_.reserve(size_for(text.size()));
        for (const char c : text) characters_.push(c);
    }
    void push(char c) { characters_.push(c); }
    void clear() { characters_.clear(); }
    std::string_view view() const { return {characters_.begin(), characters_.size()}; }

private:
    std::size_t size_for(std::size_t more) const {
        const std::size_t wanted = characters_.size() + more;
        return wanted < 16 ? 16 : wanted;
    }
    Vector<char> characters_;
};

} // namespace user
