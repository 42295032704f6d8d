//! A public key of Alipay's, in any form in which its users have it.
