// SPDX-License-Identifier: MIT
// Charge: memory of the kernel's heap and stacks that a process pays for out of its quota.
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"
#include "vm/commit.hpp"

#include <utility>

namespace proc {

/// Pages charged to an account until this ends. The account must live as long. Objects are charged
/// a whole page each whatever their size: simple, and never too little.
class Charge {
public:
    Charge() = default;
    /// Errors: no_memory, limit_reached.
    static Result<Charge> make(vm::Account& account, PageCount pages) {
        TRY(account.charge(pages, backing));
        Charge charge;
        charge.account_ = &account;
        charge.pages_ = pages;
        return charge;
    }
    Charge(Charge&& other) noexcept
        : account_(std::exchange(other.account_, nullptr)), pages_(other.pages_) {}
    Charge& operator=(Charge&& other) noexcept {
        std::swap(account_, other.account_);
        std::swap(pages_, other.pages_);
        return *this;
    }
    ~Charge() {
        if (account_ != nullptr) account_->release(pages_, backing);
    }

private:
    /// The heap and the stacks are charged to the kernel, for what they really take.
    static constexpr vm::Backing backing = vm::Backing::kernel;

    vm::Account* account_ = nullptr;
    PageCount pages_{};
};

} // namespace proc
