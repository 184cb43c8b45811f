//! The reference server: it reads configuration, builds the parts and stacks them once.
