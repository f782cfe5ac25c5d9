// SPDX-License-Identifier: MIT
// Result<T>: a value or the reason why there is none.
#pragma once

#include "abi/error.hpp"

#include <new>
#include <type_traits>
#include <utility>

using abi::Error;

/// A value of T, or an Error. Never ignored: use TRY, or look.
/// T must be movable; references are not held (return a pointer).
template <typename T>
class [[nodiscard]] Result {
public:
    constexpr Result(T value) : value_(std::move(value)), ok_(true) {}
    constexpr Result(Error error) : error_(error), ok_(false) {}

    /// Trivial where T is, so that a Result of a word is returned in registers.
    constexpr Result(Result&& other) noexcept
        requires std::is_trivially_move_constructible_v<T>
    = default;
    Result(Result&& other) noexcept : ok_(other.ok_) {
        if (ok_) {
            new (&value_) T(std::move(other.value_));
        } else {
            error_ = other.error_;
        }
    }
    Result(const Result&) = delete;
    Result& operator=(const Result&) = delete;
    Result& operator=(Result&&) = delete;
    constexpr ~Result()
        requires std::is_trivially_destructible_v<T>
    = default;
    constexpr ~Result() {
        if (ok_) value_.~T();
    }

    constexpr explicit operator bool() const { return ok_; }
    constexpr bool ok() const { return ok_; }
    /// Precondition: ok().
    constexpr T& operator*() { return value_; }
    constexpr const T& operator*() const { return value_; }
    constexpr T* operator->() { return &value_; }
    constexpr const T* operator->() const { return &value_; }
    /// Precondition: !ok().
    constexpr Error error() const { return error_; }
    constexpr T value_or(T other) const { return ok_ ? value_ : other; }

private:
    union {
        T value_;
        Error error_;
    };
    bool ok_;
};

/// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
public:
    constexpr Result() = default;
    constexpr Result(Error error) : error_(error) {}
    constexpr explicit operator bool() const { return ok(); }
    constexpr bool ok() const { return error_ == Error{}; }
    constexpr Error error() const { return error_; }

private:
    Error error_{};
};

/// Evaluates a Result; returns its error from the enclosing function, or yields its value.
#define TRY(expression) TRY_NAMED(expression, __COUNTER__)
#define TRY_NAMED(expression, number) TRY_WITH(expression, TRY_PASTE(try_result_, number))
#define TRY_PASTE(name, number) name##number
#define TRY_WITH(expression, result)                                                               \
    __extension__({                                                                                \
        auto result = (expression);                                                                \
        if (!result.ok()) return result.error();                                                   \
        result_detail::take(result);                                                               \
    })

namespace result_detail {
template <typename T>
constexpr T take(Result<T>& result) {
    return std::move(*result);
}
constexpr void take(Result<void>&) {}
} // namespace result_detail
