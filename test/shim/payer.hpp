// SPDX-License-Identifier: MIT
// Accounts and quotas as suites use them.
#pragma once

#include "vm/commit.hpp"
#include "vm/quota.hpp"

#include <doctest/doctest.h>

namespace shim {

/// An account that ends with its scope.
struct Payer : vm::Account {
    Payer() = default;
    explicit Payer(const vm::QuotaRef& quota) { count_against(quota.get()); }
    Payer(const Payer&) = delete;
    Payer& operator=(const Payer&) = delete;
    ~Payer() { settle(); }
    std::uint64_t pages() const { return charged().value; }
};

inline vm::QuotaRef quota_of(std::uint64_t pages, const vm::QuotaRef& parent = {}) {
    auto made = vm::QuotaRef::make(parent, {pages});
    REQUIRE(made.ok());
    return std::move(*made);
}

/// Committed, with the kernel's heap grown for the quotas of a test.
inline std::uint64_t committed_warm() {
    static_cast<void>(quota_of(1));
    return vm::committed().value;
}

} // namespace shim
