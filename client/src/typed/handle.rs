//! Handles that know the Rust type of an object.

use std::fmt;
use std::marker::PhantomData;

use drawloom_model::Input;

use crate::TaskHandle;

/// What a task makes, to be read as a `T` once the task has succeeded.
pub struct Output<T> {
    task: TaskHandle,
    output: u16,
    // Holds no `T`, only makes one: so it may go to another thread whatever `T` is.
    marker: PhantomData<fn() -> T>,
}

/// An object that tasks can take, of type `T`: what a task makes, or what came with the graph.
pub struct Object<T> {
    input: Input,
    marker: PhantomData<fn() -> T>,
}

impl<T> Output<T> {
    pub(crate) fn new(task: TaskHandle, output: u16) -> Self {
        Output { task, output, marker: PhantomData }
    }

    /// The task that makes it.
    pub fn task(self) -> TaskHandle {
        self.task
    }

    /// Which of the task's outputs it is.
    pub fn index(self) -> u16 {
        self.output
    }
}

impl<T> Object<T> {
    pub(crate) fn new(input: Input) -> Self {
        Object { input, marker: PhantomData }
    }
}

// Derived, these would ask the same of `T`.
impl<T> Clone for Output<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Output<T> {}

impl<T> Clone for Object<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Object<T> {}

impl<T> fmt::Debug for Output<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output {} of task {}", self.output, self.task.index())
    }
}

impl<T> fmt::Debug for Object<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.input, f)
    }
}

impl<T> From<Output<T>> for Input {
    fn from(output: Output<T>) -> Input {
        output.task.output(output.output)
    }
}

impl<T> From<Object<T>> for Input {
    fn from(object: Object<T>) -> Input {
        object.input
    }
}

impl<T> From<Output<T>> for Object<T> {
    fn from(output: Output<T>) -> Object<T> {
        Object::new(output.into())
    }
}

impl<T> From<Output<T>> for TaskHandle {
    fn from(output: Output<T>) -> TaskHandle {
        output.task
    }
}

/// What a task takes: nothing `()`, one object, a tuple of up to four, or a list of any length.
pub trait Inputs {
    /// The objects, in order.
    fn into_inputs(self) -> Vec<Input>;
}

impl Inputs for () {
    fn into_inputs(self) -> Vec<Input> {
        Vec::new()
    }
}

impl Inputs for Input {
    fn into_inputs(self) -> Vec<Input> {
        vec![self]
    }
}

impl<T> Inputs for Output<T> {
    fn into_inputs(self) -> Vec<Input> {
        vec![self.into()]
    }
}

impl<T> Inputs for Object<T> {
    fn into_inputs(self) -> Vec<Input> {
        vec![self.into()]
    }
}

impl<I: Into<Input>, const N: usize> Inputs for [I; N] {
    fn into_inputs(self) -> Vec<Input> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<I: Into<Input>> Inputs for Vec<I> {
    fn into_inputs(self) -> Vec<Input> {
        self.into_iter().map(Into::into).collect()
    }
}

macro_rules! tuples {
    ($(($($input:ident),*)),* $(,)?) => {
        $(
            impl<$($input: Into<Input>),*> Inputs for ($($input,)*) {
                #[allow(non_snake_case)]
                fn into_inputs(self) -> Vec<Input> {
                    let ($($input,)*) = self;
                    vec![$($input.into()),*]
                }
            }
        )*
    };
}

tuples!((A), (A, B), (A, B, C), (A, B, C, D));
