// SPDX-License-Identifier: MIT
// Result and TRY: values, errors, moves and destructors.
#include "lib/result.hpp"

#include <doctest/doctest.h>

#include <string_view>

namespace {

/// Counts the objects alive, and can only be moved.
struct Counted {
    explicit Counted(int& alive) : alive_(&alive) { ++alive; }
    Counted(Counted&& other) noexcept : alive_(other.alive_) { ++*alive_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    Counted& operator=(Counted&&) = delete;
    ~Counted() { --*alive_; }
    int* alive_;
};

Result<int> half(int number) {
    if (number % 2 != 0) return Error::invalid_argument;
    return number / 2;
}

Result<void> check(int number) {
    if (number < 0) return Error::not_permitted;
    return {};
}

Result<int> quarter(int number) {
    TRY(check(number));
    const int first = TRY(half(number));
    return TRY(half(first));
}

} // namespace

TEST_CASE("Result: a value or an error") {
    CHECK(*half(8) == 4);
    CHECK_FALSE(half(7).ok());
    CHECK(half(7).error() == Error::invalid_argument);
    CHECK(half(7).value_or(-1) == -1);
    CHECK(half(6).value_or(-1) == 3);
    CHECK(check(0).ok());
    CHECK(check(-1).error() == Error::not_permitted);
}

TEST_CASE("Result: TRY hands on the first error") {
    CHECK(*quarter(12) == 3);
    CHECK(quarter(6).error() == Error::invalid_argument);
    CHECK(quarter(-4).error() == Error::not_permitted);
}

TEST_CASE("Result: what it holds is destroyed once") {
    int alive = 0;
    {
        Result<Counted> first{Counted(alive)};
        CHECK(alive == 1);
        const Result<Counted> second(std::move(first));
        CHECK(second.ok());
        CHECK(alive == 2);
    }
    CHECK(alive == 0);
    {
        const Result<Counted> none(Error::no_memory);
        CHECK(none.error() == Error::no_memory);
    }
    CHECK(alive == 0);
}

TEST_CASE("Error: every one has words") {
    CHECK(std::string_view(abi::describe(Error::no_memory)) == "out of memory");
    CHECK(std::string_view(abi::describe(Error{})) == "unknown error");
}
